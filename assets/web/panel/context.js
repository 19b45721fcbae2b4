// @ts-check
// The type of the object that the panel's modules share. main.js makes it.

/** @import { Entry } from "./keyed_list.js" */
/** @import { Captions } from "./captions.js" */
/** @import { Compare } from "./compare.js" */
/** @import { CardEntry } from "./cards.js" */
/** @import { KeyedList } from "./keyed_list.js" */
/** @import { StatusLine } from "./status.js" */
/** @import { Toolbar } from "./toolbar.js" */
/** @import { Candidate, Card, Picture, Value } from "./value.js" */
/** @import { Viewer } from "./viewer.js" */

/** @typedef {Record<string, unknown>} SentAction  The action of a pressed button; `do` is its name. */

/**
 * What the script that loads the panel hands over.
 *
 * @typedef {object} Host
 * @property {Element} root  the element that the panel fills
 * @property {Record<string, string>} words  the panel's texts by name
 * @property {{ name: string, title: string, thumb: string }[]} examples  the examples; thumb: a data URL
 * @property {(action: SentAction) => void} sendAction  sends the action of a pressed button to the server
 */

/**
 * What the server or a person asked to be shown and has not been shown yet.
 *
 * @typedef {object} Requested
 * @property {number} number  the number of the server's last request
 * @property {string} key  the key of the requested picture; empty once it has been shown
 * @property {boolean} run  whether a person chose an earlier run that the server has not shown yet
 * @property {boolean} compare  whether a person asked for a comparison before there were two pictures
 * @property {number} comparison  the number of the server's last request to compare two pictures
 */

/**
 * What the modules of the panel share. A function that needs several fields takes the context as its first argument.
 *
 * @typedef {object} SharedFields
 * @property {Value} value  the newest value that the server has sent
 * @property {Map<string, Picture>} pictures  finished pictures that may be shown, by key
 * @property {Map<string, string>} runTitles  titles of earlier runs, by run
 * @property {Requested} requested  what is to be shown
 * @property {() => void} refresh  updates all parts of the panel from `value`
 * @property {Viewer} viewer  the canvas with one picture or two
 * @property {HTMLElement} viewerPart  the element with the viewer, its tools and the comparison
 * @property {Captions} captions  the texts on and beside the viewer
 * @property {Toolbar} toolbar  the buttons below the viewer
 * @property {Compare} compare  the comparison of two pictures
 * @property {StatusLine} status  the status line
 * @property {KeyedList<Candidate, Entry<Candidate>>} candidates  the pictures to choose from
 * @property {KeyedList<Card, CardEntry>} strip  the cards of the stages
 */

/** @typedef {Host & SharedFields} Context */

export {};

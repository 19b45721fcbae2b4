// @ts-check
// The types of what the server sends to the panel; ui/panels/stages_value.py and ui/session make it. Sizes are
// [height, width] in px.

/** @typedef {[number, number]} Size */
/** @typedef {{ url: string }} FileLink  A file of the server. */
/** @typedef {[number, number, number, number]} Box  Top, left, height and width, as fractions of the picture. */

/**
 * A finished picture.
 *
 * @typedef {object} Picture
 * @property {string} key  identifies the picture among those of all runs
 * @property {string} run  the name of its run; empty for a start picture
 * @property {string} [title]  what a start picture is called; a finished stage has none
 * @property {number} number  the number of its stage, counted from 1
 * @property {number} of  the number of stages of its run
 * @property {Size} size
 * @property {number} levels  the number of sizes at which there are tiles
 * @property {FileLink} thumb  a thumbnail
 * @property {FileLink} proxy  a small version for the viewer
 * @property {FileLink} tile  the first tile; the names of the others follow from its name
 * @property {FileLink} file  the picture itself
 * @property {string} name  the name of a downloaded file
 * @property {string} alt  the prompt
 * @property {[id: string, label: string, text: string][]} settings
 * @property {Box[]} windows  the windows of its stage; empty if there are none or too many
 * @property {number} lattice  the dilation of its stage's dilated views; 0 without dilated views
 */

/**
 * A preview of the stage in progress.
 *
 * @typedef {object} Preview
 * @property {number} stage
 * @property {Size} size
 * @property {string} image  a data URL
 * @property {number} share  the share of the stage's steps that are done, from 0 to 1
 * @property {number} lattice  the dilation of the stage's dilated views; 1 without dilated views
 */

/** @typedef {{ cost: number, share: number }} Segment  A stage in the progress bar; share: from 0 to 1. */

/**
 * A button, a link, or a text without either. Its fields are sent to the server if the button is pressed.
 *
 * @typedef {object} Action
 * @property {string} label
 * @property {string} [do]  the name of the action; a link has none
 * @property {FileLink} [href]  the file that the link downloads
 * @property {string} [download]  the name under which the browser saves the file
 * @property {string} [run]  the run that the action is about
 * @property {string} [export]  the kind of export that the link downloads
 * @property {string} [text]  the text that the action "copy" copies
 * @property {boolean} [place]  whether the action needs the visible part of the picture
 */

/**
 * The card of a stage.
 *
 * @typedef {object} Card
 * @property {number} number  the stage's number, counted from 1
 * @property {number} of  the number of stages
 * @property {Size} size
 * @property {"made" | "working" | "planned"} state
 * @property {string} price  the stage's time, known or estimated; may be empty
 * @property {string} again  what the next run would make of a finished stage; else empty
 * @property {boolean} stop  whether a pause after the stage can be chosen
 * @property {boolean} stopping  whether it is chosen
 * @property {boolean} grow  whether a run can continue from the stage
 * @property {Picture | null} picture  null until the stage is finished
 */

/** @typedef {{ share: number, text: string, left: string }} Working  Progress of a stage; share: from 0 to 1. */
/** @typedef {{ kind: string, text: string, actions: Action[] }} Note */

/**
 * One of the pictures of the first stage from which a person chooses.
 *
 * @typedef {object} Candidate
 * @property {string} run
 * @property {number | null} seed  null until the picture is finished
 * @property {Picture | null} picture  null until it is finished
 * @property {boolean} working  whether it is in progress
 */

/** @typedef {{ run: string, title: string, thumb: FileLink, current: boolean }} EarlierRun */

/**
 * The status line.
 *
 * @typedef {object} Status
 * @property {string} text
 * @property {string} details  more about the text, shown while the pointer is on it; may be empty
 * @property {boolean} fault  whether the text is an error
 * @property {number} spoken  screen readers announce the text when this number changes
 * @property {Action[]} actions
 */

/**
 * Everything that the panel shows.
 *
 * @typedef {object} Value
 * @property {number} at  the number of the value; a newer value has a larger one
 * @property {string} run  the name of the run that is shown; empty without one
 * @property {boolean} active  whether that run is waiting or in progress
 * @property {Segment[]} bar  a segment for each stage of that run while it is active
 * @property {Status} status
 * @property {Card[]} cards
 * @property {Working | null} working
 * @property {Preview | null} preview
 * @property {{ n: number, key: string }} show  the server's last request to show a picture: number, and picture's key
 * @property {{ n: number, keys: string[] }} comparison  the server's last request to compare two pictures; none ends it
 * @property {boolean} start  whether there is a start picture to compare with
 * @property {Candidate[]} candidates  empty unless there are pictures to choose from
 * @property {Picture[]} others  pictures of all kept runs, if the page asked for them; else empty
 * @property {Note[]} notes
 * @property {Action[]} complaints
 * @property {Action[]} share
 * @property {EarlierRun[]} earlier
 * @property {string[]} here  the runs whose pictures may stay on the page
 * @property {string} kept  for how long runs are kept, as a sentence
 */

/**
 * What the panel shows until the server has sent a value. No value of the server has its numbers.
 *
 * @type {Value}
 */
export const EMPTY_VALUE = {
  at: -1,
  run: "",
  active: false,
  bar: [],
  status: { text: "", details: "", fault: false, spoken: -1, actions: [] },
  cards: [],
  working: null,
  preview: null,
  show: { n: -1, key: "" },
  comparison: { n: 0, keys: [] },
  start: false,
  candidates: [],
  others: [],
  notes: [],
  complaints: [],
  share: [],
  earlier: [],
  here: [],
  kept: "",
};

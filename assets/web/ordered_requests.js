// @ts-check
// Sends the page's requests one after another, and passes on their answers in the same order.
//
// Why: Gradio sends an event of the page without waiting for the event before. If a slider is moved and then a button
// pressed, the server may handle the button first, and an older answer may overwrite the settings of a newer one.
// Gradio has no setting that keeps the order across different events, so window.fetch is replaced: each request to
// /gradio_api/run/ is sent when the request before has been answered completely. Other requests do not wait. No
// request waits longer than LONGEST_WAIT, because an answer over a lost connection may never come.
//
// Tests: test_requests_are_answered_in_order and
// test_a_request_is_sent_once_the_one_before_is_answered_in_full_or_takes_too_long in tests/browser/test_connection.py.
() => {
  // Milliseconds.
  const LONGEST_WAIT = 5000;
  const originalFetch = window.fetch.bind(window);
  /** @type {Promise<unknown>} */
  let previous = Promise.resolve();
  window.fetch = (resource, options) => {
    const url = resource instanceof Request ? resource.url : String(resource);
    if (!url.includes("/gradio_api/run/")) return originalFetch(resource, options);
    const timeout = new Promise((resolve) => setTimeout(resolve, LONGEST_WAIT));
    const answer = Promise.race([previous, timeout]).then(async () => {
      const response = await originalFetch(resource, options);
      // The whole body is read here, so that the answer is complete before the next request is sent.
      return new Response(await response.blob(), response);
    });
    previous = answer.catch(() => {});
    return answer;
  };
}

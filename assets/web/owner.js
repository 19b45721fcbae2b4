// @ts-check
// Sends the browser's secret with each request to the app. The secret owns the runs that the browser starts: without it
// a run can be neither stopped, removed nor continued, and its start image is not shown. The secret is in no URL and in
// no answer.
//
// A header is used, and no cookie: a page of another site cannot send it, and it also arrives if the app is in a frame.
() => {
  const storageKey = "demofusion-studio-owner";
  const makeSecret = () =>
    Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
  let secret = makeSecret();
  try {
    secret = localStorage.getItem(storageKey) ?? secret;
    localStorage.setItem(storageKey, secret);
  } catch {
    // Without storage the secret lasts as long as the page.
  }
  const originalFetch = window.fetch.bind(window);
  window.fetch = (resource, options) => {
    const url = new URL(resource instanceof Request ? resource.url : String(resource), location.href);
    if (url.origin !== location.origin || !url.pathname.includes("/gradio_api/")) return originalFetch(resource, options);
    const headers = new Headers(options?.headers ?? (resource instanceof Request ? resource.headers : undefined));
    headers.set("X-Studio-Owner", secret);
    return originalFetch(resource, { ...options, headers });
  };
}

// What a page does around live updates: says when the connection is lost or refused, and keeps the end of a chat in view.

const toasts = () => document.getElementById("toasts");

const say = (id, className, ...content) => {
  if (document.getElementById(id)) return;
  const note = document.createElement("p");
  note.id = id;
  note.className = `toast ${className}`;
  note.append(...content);
  toasts().append(note);
};
// A page may have several connections: the note leaves when the last of those that were lost is there again.
const lost = new Set();
const connected = (element) => {
  lost.delete(element);
  if (![...lost].some((other) => other.isConnected)) document.getElementById("connection-lost")?.remove();
};

const isLive = (element) => element.matches?.("[hx-sse\\:connect]");
const noMore = (status) => [401, 403, 404].includes(status);

function failed(element, status) {
  if (!noMore(status)) {
    lost.add(element);
    say("connection-lost", "waits", "Connection lost; trying again. Nothing is missed.");
    return;
  }
  connected(element);
  const reload = document.createElement("a");
  reload.href = window.location.href;
  reload.textContent = "Reload";
  say("no-longer-live", "stopped", "You are signed out, or may not see this any more. This page stands still. ", reload);
}

document.addEventListener("htmx:sse:error", (event) => failed(event.target, event.detail.status));
document.addEventListener("htmx:sse:before:connection", (event) => {
  if (document.getElementById("no-longer-live")) event.preventDefault();
});
document.addEventListener("htmx:sse:after:connection", (event) => connected(event.target));

// A page's first connection is to htmx a request like any other: it would not ask again, and would show an error's page.
function notConnected(element, status) {
  failed(element, status);
  if (noMore(status)) return;
  const again = () => {
    if (element.isConnected) htmx.ajax("GET", element.getAttribute("hx-sse:connect"), { source: element });
  };
  setTimeout(again, 1000 + 2000 * Math.random());
}
document.addEventListener("htmx:before:response", (event) => {
  const { response } = event.detail.ctx;
  if (!isLive(event.target) || response.status < 400) return;
  event.preventDefault();
  notConnected(event.target, response.status);
});

document.addEventListener("htmx:error", (event) => {
  if (isLive(event.target)) {
    notConnected(event.target);
    return;
  }
  const note = document.createElement("p");
  note.className = "toast stopped";
  note.textContent = "The server did not answer. Nothing was sent; what you typed is still here.";
  toasts().append(note);
});

let wasAtEnd = true;
const atEnd = () => window.innerHeight + window.scrollY >= document.body.scrollHeight - 120;
document.addEventListener("htmx:sse:before:message", () => {
  wasAtEnd = atEnd();
});
document.addEventListener("htmx:sse:after:message", () => {
  if (wasAtEnd && document.querySelector(".chat")) window.scrollTo({ top: document.body.scrollHeight });
});

// Only notes of this page go away by themselves; what is wrong with the connection stays.
setTimeout(() => toasts()?.querySelectorAll(".toast:not([id])").forEach((note) => note.remove()), 6000);

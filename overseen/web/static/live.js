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
const connected = () => document.getElementById("connection-lost")?.remove();

document.addEventListener("htmx:sse:error", (event) => {
  if (![401, 403, 404].includes(event.detail.status)) {
    say("connection-lost", "waits", "Connection lost; trying again. Nothing is missed.");
    return;
  }
  connected();
  const reload = document.createElement("a");
  reload.href = window.location.href;
  reload.textContent = "Reload";
  say("no-longer-live", "stopped", "You are signed out, or may not see this any more. This page stands still. ", reload);
});
document.addEventListener("htmx:sse:before:connection", (event) => {
  if (document.getElementById("no-longer-live")) event.preventDefault();
});
document.addEventListener("htmx:sse:after:connection", connected);

document.addEventListener("htmx:error", (event) => {
  if (event.target.closest?.("[hx-sse\\:connect]")) return;
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

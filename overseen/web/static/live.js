// What a page does around live updates: says when the connection is lost, and keeps the end of a chat in view.

const toasts = () => document.getElementById("toasts");

document.addEventListener("htmx:sse:error", () => {
  if (document.getElementById("connection-lost")) return;
  const note = document.createElement("p");
  note.id = "connection-lost";
  note.className = "toast waits";
  note.textContent = "Connection lost; trying again. Nothing is missed.";
  toasts().append(note);
});

document.addEventListener("htmx:sse:after:connection", () => document.getElementById("connection-lost")?.remove());

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

// Only notes of this page go away by themselves; a lost connection stays until it is back.
setTimeout(() => toasts()?.querySelectorAll(".toast:not(#connection-lost)").forEach((note) => note.remove()), 6000);

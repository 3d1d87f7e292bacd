// Pages work without this; with it tokens are counted as one types, and a submission that waits says when it is scored.
(() => {
  "use strict";
  const form = document.getElementById("submit-form");
  if (form) {
    const text = document.getElementById("text");
    const count = document.getElementById("count");
    let timer = 0;
    let asked = 0;
    const look = async () => {
      const mine = ++asked;
      if (!text.value.trim()) {
        count.textContent = "";
        return;
      }
      try {
        const answer = await fetch("/api/tokens", {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify({ text: text.value }),
        });
        const found = await answer.json();
        if (mine !== asked || !answer.ok || found.tokens === null) return;
        const over = found.tokens > found.budget;
        count.classList.toggle("over", over);
        count.textContent = found.tokens + " of " + found.budget + " tokens" + (over ? ": too many" : "") +
          (found.same === false ? "; the tokenizer gives back: " + found.shown : "");
      } catch (e) {
        // Without an answer the text is counted when it is sent.
      }
    };
    text.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(look, 250);
    });
    if (text.value) look();
    const problem = document.getElementById("problem");
    if (problem) {
      problem.tabIndex = -1;
      problem.focus();
    }
  }
  const status = document.getElementById("status");
  if (status && status.dataset.status === "queued") {
    let wait = 1000;
    const look = async () => {
      try {
        const answer = await fetch("/api/submissions/" + status.dataset.entry);
        const found = await answer.json();
        if (answer.ok && found.status !== "queued") {
          location.reload();
          return;
        }
        const strong = status.querySelector("strong");
        if (strong && found.place) strong.textContent = "Waiting, place " + found.place + ".";
      } catch (e) {
        // Asked again below.
      }
      wait = Math.min(wait * 1.5, 15000);
      setTimeout(look, wait);
    };
    setTimeout(look, wait);
  }
})();

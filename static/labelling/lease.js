// The lease of the item is renewed while the page is open.

import { form, line, now, screen } from "./screen.js";

async function renew() {
  const { renew: address, assignment, renewSeconds } = screen()?.dataset ?? {};
  setTimeout(renew, 1000 * (renewSeconds ?? 60));
  if (!address || document.hidden || now.sending) return;
  const body = new URLSearchParams({ assignment_id: assignment, csrf_token: form().elements.csrf_token.value });
  const answer = await fetch(address, { method: "POST", body, headers: { Accept: "application/json" } }).catch(() => null);
  if (answer?.status === 409 && screen()?.dataset.assignment === assignment) line((await answer.json()).detail);
}

setTimeout(renew, 1000 * (screen()?.dataset.renewSeconds ?? 60));

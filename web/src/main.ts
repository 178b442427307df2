// Start of the page: take the token from the link, then show the console or the sign-in panel.

import { whenUnauthorized } from './api';
import { Console } from './console';
import { closeDialogs } from './dialog';
import { h, replace } from './dom';
import { brandMark } from './icons';
import { setToken, takeTokenFromAddress, token } from './session';
import { signInPanel } from './sign-in';
import { Store } from './store';
import { applyTheme } from './theme';
import { startClock } from './time';
import { toastRegion } from './toast';

const REFUSED = 'The server does not accept this token.';

const root = document.getElementById('app');
const store = new Store();
const page = new Console(store, () => signOut(''));
let signedIn = false;

function showConsole(): void {
  signedIn = true;
  if (root) replace(root, page.element);
  page.start();
}

function showSignIn(reason: string): void {
  const panel = signInPanel(reason, trySignIn);
  document.title = 'Sign in · workspaced';
  if (root) replace(root, panel.element);
  panel.focus();
}

/** What is wrong with the token, or ''. */
async function trySignIn(value: string): Promise<string> {
  setToken(value);
  if (await store.refresh()) {
    showConsole();
    return '';
  }
  const refused = token() === null; // a 401 has thrown it away
  return refused ? REFUSED : store.problem;
}

function signOut(reason: string): void {
  const wasSignedIn = signedIn;
  signedIn = false;
  setToken(null);
  if (!wasSignedIn) return; // the first check, or the panel itself: both show what is wrong
  page.stop();
  store.clear();
  closeDialogs();
  showSignIn(reason);
}

/** Until the server has answered for the first time; it comes into view only when that takes a while. */
function splash(): HTMLElement {
  return h('main', { className: 'splash', attributes: { 'aria-busy': 'true' } }, brandMark(), h('p', { className: 'muted' }, 'Connecting…'));
}

async function start(): Promise<void> {
  applyTheme();
  startClock();
  document.body.append(toastRegion());
  whenUnauthorized(() => signOut(REFUSED));

  takeTokenFromAddress();
  window.addEventListener('hashchange', () => {
    if (takeTokenFromAddress()) location.reload(); // a link opened in a tab that is open already
  });
  const hadToken = token() !== null;
  if (root) replace(root, splash());
  if (await store.refresh()) showConsole(); // without a token too: a development server asks for none
  else if (hadToken && token() !== null) showConsole(); // the server is away; the console goes on trying
  else showSignIn(hadToken ? REFUSED : '');
}

void start();

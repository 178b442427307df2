// The panel that asks for the token, when the page was opened without the printed link or the token is refused.

import { h, setAttribute } from './dom';
import { field, formProblem } from './field';
import { brandMark } from './icons';

export interface SignIn {
  element: HTMLElement;
  focus: () => void;
}

/** `submit` tries the token and returns what is wrong with it, or ''. */
export function signInPanel(reason: string, submit: (token: string) => Promise<string>): SignIn {
  const token = field(h('input', { type: 'password', name: 'token', autocomplete: 'current-password', required: true }), {
    label: 'Admin token',
  });
  const problem = formProblem();
  const button = h('button', { type: 'submit', className: 'button primary wide' }, 'Sign in');
  const form = h('form', { noValidate: true }, userName(), token.element, problem.element, button);
  problem.set(reason);

  const trySignIn = async (): Promise<void> => {
    const value = token.control.value.trim();
    problem.set('');
    if (!value) {
      token.setProblem('Enter the token.');
      token.control.focus();
      return;
    }
    button.disabled = true;
    setAttribute(button, 'aria-busy', 'true');
    const refused = await submit(value);
    button.disabled = false;
    setAttribute(button, 'aria-busy', null);
    if (!refused) return;
    token.setProblem(refused);
    token.control.select();
  };
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    void trySignIn();
  });

  const element = h(
    'main',
    { className: 'sign-in' },
    h(
      'section',
      { className: 'card', attributes: { 'aria-labelledby': 'sign-in-title' } },
      h('div', { className: 'brand' }, brandMark()),
      h('h1', { id: 'sign-in-title' }, 'Sign in to workspaced'),
      h('p', { className: 'muted' }, 'Open the link that the server prints when it starts, or enter its token.'),
      form,
      whereToFind(),
    ),
  );
  return { element, focus: () => token.control.focus() };
}

/** Not shown: password managers file a token under a name. */
function userName(): HTMLElement {
  return h('input', { type: 'text', name: 'username', value: 'workspaced', autocomplete: 'username', hidden: true });
}

function whereToFind(): HTMLElement {
  return h(
    'details',
    { className: 'where' },
    h('summary', {}, 'Where do I find the token?'),
    h('p', {}, 'On the machine that runs the server, ask for it:'),
    h('pre', {}, h('code', {}, 'workspacectl token')),
    h('p', {}, 'It is also in the file ', h('code', {}, 'admin-token'), ' in the data directory.'),
  );
}

// A labelled form field with a hint and a place for what is wrong with it.

import { h, setAttribute, setText, uniqueId } from './dom';

export type Control = HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement;

export interface Field<T extends Control = Control> {
  element: HTMLElement;
  control: T;
  setProblem: (text: string) => void;
}

export interface FieldOptions {
  label: string;
  hint?: string;
  optional?: boolean;
}

export function field<T extends Control>(control: T, { label, hint, optional }: FieldOptions): Field<T> {
  control.id ||= uniqueId('field');
  const problem = h('p', { id: `${control.id}-problem`, className: 'field-problem', attributes: { role: 'alert' } });
  const hintElement = hint ? h('p', { id: `${control.id}-hint`, className: 'field-hint' }, hint) : null;
  const element = h(
    'div',
    { className: 'field' },
    h('label', { htmlFor: control.id }, label, optional ? h('span', { className: 'optional' }, ' optional') : null),
    control,
    hintElement,
    problem,
  );
  const setProblem = (text: string): void => {
    setText(problem, text);
    setAttribute(control, 'aria-invalid', text ? 'true' : null);
    const described = [hintElement?.id, text ? problem.id : undefined].filter(Boolean).join(' ');
    setAttribute(control, 'aria-describedby', described || null);
  };
  setProblem('');
  control.addEventListener('input', () => setProblem(''));
  return { element, control, setProblem };
}

/** What is wrong in the whole form, for errors that belong to no field. */
export function formProblem(): { element: HTMLElement; set: (text: string) => void } {
  const element = h('p', { className: 'form-problem', hidden: true, attributes: { role: 'alert' } });
  const set = (text: string): void => {
    setText(element, text);
    element.hidden = text === '';
  };
  return { element, set };
}

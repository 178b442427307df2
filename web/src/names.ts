// The rules of names and roles, checked here so that the answer is at the field and immediate. The server
// checks the same again and has the last word.

import { byteLength } from './browser';

const NAME_MAX_BYTES = 255;
const ROLE_MAX_BYTES = 1000;
const FORBIDDEN = /[{}[\]|>*&!]/;

function textProblem(label: string, text: string, maxBytes: number): string {
  if (byteLength(text) > maxBytes) return `${label} is too long: at most ${maxBytes} bytes.`;
  if (/[\r\n]/.test(text)) return `${label} must be one line.`;
  const bad = FORBIDDEN.exec(text);
  return bad ? `${label} must not hold the character ${bad[0]}` : '';
}

export function nameProblem(text: string): string {
  if (text.trim() === '') return 'Give the workspace a name.';
  return textProblem('The name', text, NAME_MAX_BYTES);
}

export function roleProblem(text: string): string {
  return textProblem('The role', text, ROLE_MAX_BYTES);
}

// The parameters that a job definition declares, as fields of a form, and what was typed, as values.

export interface Param {
  name: string;
  type: string;
  /** What holds if nothing is said. */
  preset: unknown;
  required: boolean;
  choices: unknown[];
  about: string;
}

/** Members of a declaration; an object of nothing else is one, anything else is a default. */
const DECLARATION = new Set(['type', 'default', 'required', 'enum', 'description']);

function typeOf(preset: unknown): string {
  if (preset === null || preset === undefined) return 'any';
  if (Array.isArray(preset)) return 'list';
  return { string: 'string', number: 'number', boolean: 'boolean' }[typeof preset as string] ?? 'object';
}

/** The declared parameters of a definition's body, in their order. */
export function paramsOf(body: unknown): Param[] {
  const params = (body as { params?: Record<string, unknown> } | null)?.params ?? {};
  return Object.entries(params).map(([name, value]) => {
    const isDeclared = typeof value === 'object' && value !== null && !Array.isArray(value) && Object.keys(value).length > 0 && Object.keys(value).every((key) => DECLARATION.has(key));
    const said = (isDeclared ? value : { default: value }) as { type?: string; default?: unknown; required?: boolean; enum?: unknown[]; description?: string };
    return { name, type: said.type ?? typeOf(said.default ?? said.enum?.[0]), preset: said.default, required: said.required ?? false, choices: said.enum ?? [], about: said.description ?? '' };
  });
}

/** How a value stands in its field. */
export function shown(value: unknown): string {
  return value === undefined ? '' : typeof value === 'string' ? value : JSON.stringify(value);
}

/** The value that was typed for a parameter; `undefined` for none. An error's message says what is wrong with it. */
export function typed(param: Param, text: string): unknown {
  if (param.choices.length > 0) return param.choices.find((choice) => shown(choice) === text);
  if (text === '') return undefined;
  if (param.type === 'string') return text;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    if (param.type === 'any') return text;
    throw new Error(`${param.name} must be ${NOUNS[param.type] ?? 'JSON'}`);
  }
  const fits = param.type === 'any' || typeOf(value) === param.type || (param.type === 'integer' && Number.isInteger(value));
  if (!fits) throw new Error(`${param.name} must be ${NOUNS[param.type] ?? 'JSON'}`);
  return value;
}

const NOUNS: Record<string, string> = { integer: 'a whole number', number: 'a number', boolean: 'true or false', list: 'a list, as in ["a", "b"]', object: 'an object, as in {"a": 1}' };

/** What was typed and differs from what holds anyway. */
export function values(params: Param[], texts: Record<string, string>): Record<string, unknown> {
  const found = params.map((param) => [param.name, typed(param, texts[param.name] ?? ''), param.preset] as const);
  return Object.fromEntries(found.filter(([, value, preset]) => value !== undefined && JSON.stringify(value) !== JSON.stringify(preset)).map(([name, value]) => [name, value]));
}

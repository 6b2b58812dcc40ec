import { describe, expect, it } from 'vitest';
import { readFileSync } from 'node:fs';
import { applyLine, profileLine } from '../../src/screens/definition-form';
import { diff, paired } from '../../src/screens/diff';
import { patchOf, rateText, rateWords } from '../../src/screens/limits';
import { paramsOf, typed, values } from '../../src/screens/params';
import { bodyOf, PROFILE_FIELDS, textsOf } from '../../src/screens/profile-fields';
import { usersOf } from '../../src/screens/profile-users';
import type { Definition } from '../../src/api/types';

describe('parameters', () => {
  const body = { params: { region: 'eu', limit: { type: 'integer', default: 100 }, day: { type: 'string', required: true }, mode: { enum: ['full', 2] }, odd: { type: 'x', other: 1 }, on: true } };
  const params = paramsOf(body);

  it('are declared, or take their type from their default', () => {
    expect(params.map(({ name, type, required }) => `${name} ${type}${required ? ' required' : ''}`)).toEqual(['region string', 'limit integer', 'day string required', 'mode string', 'odd object', 'on boolean']);
    expect(paramsOf(null)).toEqual([]);
    expect(paramsOf({ params: { empty: {} } })[0]?.type).toBe('object');
  });

  it('are typed as text and read as what they must be', () => {
    const [region, limit, , mode] = params;
    if (!region || !limit || !mode) throw new Error('declared above');
    expect([typed(region, '7'), typed(limit, '7'), typed(mode, '2'), typed(mode, 'full'), typed(limit, '')]).toEqual(['7', 7, 2, 'full', undefined]);
    for (const text of ['seven', '7.5', '"7"', '[7]']) expect(() => typed(limit, text)).toThrow('limit must be a whole number');
  });

  it('are said only where they differ from what holds anyway', () => {
    expect(values(params, { region: 'eu', limit: '100', day: 'x', mode: '', odd: '', on: 'false' })).toEqual({ day: 'x', on: false });
  });
});

describe('definitions', () => {
  it('stand side by side, what was replaced beside what replaced it', () => {
    const rows = paired(diff('a\nb\nc', 'a\nx\ny\nc')).map(([left, right]) => `${left?.text ?? ''}|${right?.text ?? ''}`);
    expect(rows).toEqual(['a|a', 'b|x', '|y', 'c|c']);
  });

  it('are applied by a command that names them', () => {
    expect(applyLine('tasks', 'mail', '{"type": "noop"}')).toBe(`echo '{"taskId":"mail","type":"noop"}' | mainspring apply -`);
    expect(applyLine('jobs', 'mail', '{')).toBe('mainspring apply FILE');
  });

  it('are found by the profile that they name', () => {
    const definition = (name: string, body: unknown) => ({ kind: 'job', name, body }) as Definition;
    const all = [definition('list', { tasks: ['x', { taskId: 'a', profile: 'p' }, { taskId: 'b' }] }), definition('map', { tasks: { c: { profile: 'p' }, d: 'echo' } }), definition('whole', { profile: 'p', tasks: {} }), definition('all', { defaults: { profile: 'p' } }), definition('none', null)];
    expect(usersOf('p', all).map((user) => `${user.definition.name}:${user.tasks.join()}`)).toEqual(['list:a', 'map:c', 'whole:', 'all:']);
  });
});

describe('limits', () => {
  const fields = [{ key: 'concurrency', flag: '', label: '', hint: '', isNumber: true }, { key: 'rate', flag: '', label: '', hint: '' }];

  it('change only in what differs, and go where they were emptied', () => {
    expect(patchOf(fields, { concurrency: '2', rate: '1/1s' }, { concurrency: '3', rate: ' 1/1s ' })).toEqual({ concurrency: 3 });
    expect(patchOf(fields, { concurrency: '2', rate: '1/1s' }, { concurrency: '', rate: '5/1m' })).toEqual({ concurrency: null, rate: '5/1m' });
    expect(patchOf(fields, {}, { concurrency: '0' })).toEqual({ concurrency: 0 });
  });

  it('of time are written as the command line reads them', () => {
    expect([rateText({ limit: 100, per: '1m', burst: 20 }), rateText({ limit: 5, per: 1 }), rateText({ limit: 5, per: 5_400 }), rateText(undefined)]).toEqual(['100/1m', '5/1s', '5/90m', '']);
    expect([rateWords({ limit: 100, per: '1m', burst: 20 }), rateWords({ limit: 5, per: '1s', burst: 5 })]).toEqual(['100/1m, 20 at once', '5/1s']);
  });
});

describe('profiles', () => {
  const description = JSON.parse(readFileSync(new URL('../../../docs/openapi.json', import.meta.url), 'utf8')) as { paths: Record<string, { put: { requestBody: { content: Record<string, { schema: { properties: Record<string, Schema> } }> } } }>; components: { schemas: Record<string, Schema> } };
  type Schema = { maximum?: number; enum?: string[]; $ref?: string; anyOf?: Schema[]; properties?: Record<string, Schema> };
  const { properties } = description.paths['/api/v1/profiles/{name}']!.put.requestBody.content['application/json']!.schema;
  const whole = (schema: Schema): Schema => (schema.$ref ? description.components.schemas[schema.$ref.split('/').at(-1)!]! : schema);
  /** A schema and all that it may be instead. */
  const kinds = (schema: Schema): Schema[] => [whole(schema), ...(whole(schema).anyOf ?? []).flatMap(kinds)];
  const of = (key: string): Schema[] => {
    const [name = '', part] = key.split('.');
    const found = kinds(properties[name] ?? {});
    return part === undefined ? found : found.flatMap((each) => (each.properties?.[part] ? kinds(each.properties[part]) : []));
  };

  it('have a field of the form for each field that the API describes, with its bounds and words', () => {
    expect([...new Set(PROFILE_FIELDS.map(({ key }) => key.split('.')[0]))].toSorted()).toEqual(Object.keys(properties).toSorted());
    const parts = kinds(properties.backoff ?? {}).flatMap((each) => Object.keys(each.properties ?? {}));
    expect(PROFILE_FIELDS.filter(({ key }) => key.startsWith('backoff.')).map(({ key }) => key.split('.')[1]).toSorted()).toEqual(parts.toSorted());
    for (const { key, max, choices } of PROFILE_FIELDS) {
      expect([key, max]).toEqual([key, of(key).find((each) => each.maximum !== undefined)?.maximum]);
      expect([key, choices?.map(([word]) => word)]).toEqual([key, of(key).find((each) => each.enum)?.enum]);
    }
  });

  it('are read from their fields, and what was not touched stays as it was written', () => {
    const before = { backoff: 'fixed', timeout: 90, retryOn: 'io', labels: { gpu: true }, 'x-team': 'a' };
    const texts = textsOf(before);
    expect(bodyOf(before, texts)).toEqual(before);
    expect(bodyOf(before, { ...texts, retries: '8', 'backoff.initial': '5s', retryOn: 'io, disk', labels: 'gpu=yes, zone=eu', timeout: '' })).toEqual({ backoff: { type: 'fixed', initial: '5s' }, retryOn: ['io', 'disk'], labels: { gpu: 'yes', zone: 'eu' }, retries: 8, 'x-team': 'a' });
    expect(bodyOf({ backoff: { max: '1m' } }, { ...textsOf({ backoff: { max: '1m' } }), 'backoff.max': '' })).toEqual({});
    expect(bodyOf({}, { timeout: '1e' })).toEqual({ timeout: '1e' });
  });

  it('are set by a command that names what differs', () => {
    expect(profileLine('patient', { retries: 2, queue: 'slow', timeout: '1h' }, { retries: 8, timeout: '1h', queue: undefined, tags: ['a b'], labels: { n: '5' } })).toBe(`mainspring profiles set patient retries=8 queue= 'tags=["a b"]' 'labels={"n":"5"}'`);
    expect(profileLine('p', {}, { queue: '7' })).toBe(`mainspring profiles set p 'queue="7"'`);
  });
});

import { Widget } from '@lumino/widgets';

import mime, { DRIFT_MIME } from '../src/mime';
import { REPORT } from './records';

/** What a stranger puts in place of a value. */
const VALUES: unknown[] = [
  null,
  undefined,
  {},
  [],
  [null],
  [{}],
  'x',
  '<img src=x onerror="window.hit = 1">',
  -1,
  NaN,
  true,
  { __html: '<b>x</b>' },
  { toString: 3 },
  { $$typeof: 'react.element', type: 'script', props: {} },
  new Array(30_000).fill(1)
];

/** Yield `value`, with each part of it replaced by each of `VALUES`. */
function* changed(value: unknown): Generator<unknown, void, undefined> {
  yield* VALUES;
  if (Array.isArray(value)) {
    const items = value as unknown[];
    for (let at = 0; at < items.length; at++) {
      for (const part of changed(items[at])) {
        yield items.map((item, place) => (place === at ? part : item));
      }
    }
  } else if (typeof value === 'object' && value !== null) {
    for (const [name, inner] of Object.entries(value)) {
      for (const part of changed(inner)) {
        yield { ...value, [name]: part };
      }
    }
  }
}

describe('a drift report that somebody else wrote into a notebook', () => {
  it('is drawn or named as unknown, and never throws or runs', async () => {
    const errors = jest.spyOn(console, 'error').mockImplementation(() => {});
    const report = { ...REPORT, columns: REPORT.columns.slice(0, 2) };
    let tried = 0;
    for (const data of changed(report)) {
      const output = mime.rendererFactory.createRenderer({} as never);
      Widget.attach(output, document.body);
      await output.renderModel({ data: { [DRIFT_MIME]: data } } as never);
      expect(output.node.textContent).not.toBe('');
      expect(output.node.querySelector('img, script, b > b')).toBeNull();
      output.dispose();
      tried++;
    }
    const thrown = errors.mock.calls.filter(call => call[0] instanceof Error);
    expect(thrown).toEqual([]);
    expect(tried).toBeGreaterThan(300);
    errors.mockRestore();
  });
});

import { nullTranslator } from '@jupyterlab/translation';

import { bytes, duration, number, percent, relative } from '../src/format';

const trans = nullTranslator.load('jupyter_mlops');

describe('a number', () => {
  it.each([
    [null, '–'],
    [NaN, '–'],
    [20, '20'],
    [0.912345, '0.9123'],
    [1234567, '1.23e+6'],
    [0.00012345, '1.23e-4']
  ])('%p reads %p', (value, text) => expect(number(value)).toBe(text));
});

describe('a share', () => {
  it.each([
    [0.5, '50 %'],
    [0.1234, '12.3 %']
  ])('%p reads %p', (value, text) => expect(percent(value)).toBe(text));
});

describe('a size', () => {
  it.each([
    [0, '0 B'],
    [999, '999 B'],
    [1234, '1.23 kB'],
    [5.6e15, '5600 TB']
  ])('%p reads %p', (value, text) => expect(bytes(value, trans)).toBe(text));
});

describe('a duration', () => {
  it.each([
    [0.123, '0.12 s'],
    [59, '59 s'],
    [90, '2 min'],
    [3720, '1 h 2 min']
  ])('%p reads %p', (value, text) => expect(duration(value, trans)).toBe(text));
});

describe('a moment', () => {
  const now = Date.parse('2026-01-01T12:00:00Z');
  it.each([
    ['2026-01-01T12:00:05Z', 'now'],
    ['2026-01-01T11:57:00Z', '3m ago'],
    ['2026-01-01T14:00:00Z', 'in 2h'],
    ['2025-12-30T12:00:00Z', '2d ago']
  ])('%p reads %p', (time, text) =>
    expect(relative(time, now, trans).replace(/\./g, '')).toBe(text)
  );
});

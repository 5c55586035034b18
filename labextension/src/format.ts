import type { TranslationBundle } from '@jupyterlab/translation';

/** Write a number as a reader wants it: four significant digits, no noise. */
export function number(value: number | null): string {
  if (value === null || !Number.isFinite(value)) {
    return '–';
  }
  if (Number.isInteger(value) && Math.abs(value) < 1e6) {
    return `${value}`;
  }
  const size = Math.abs(value);
  return size >= 1e6 || size < 1e-3
    ? value.toExponential(2)
    : `${parseFloat(value.toPrecision(4))}`;
}

/** Write a share as a percentage. */
export function percent(share: number): string {
  return `${parseFloat((100 * share).toFixed(1))} %`;
}

/** Write a size in bytes. */
export function bytes(size: number, trans: TranslationBundle): string {
  const units = [
    trans.__('B'),
    trans.__('kB'),
    trans.__('MB'),
    trans.__('GB'),
    trans.__('TB')
  ];
  let power = 0;
  while (size >= 1000 && power < units.length - 1) {
    size /= 1000;
    power++;
  }
  return `${parseFloat(size.toPrecision(3))} ${units[power]}`;
}

/** Write seconds as a duration. */
export function duration(seconds: number, trans: TranslationBundle): string {
  if (seconds < 60) {
    return trans.__('%1 s', parseFloat(seconds.toPrecision(2)));
  }
  const minutes = Math.round(seconds / 60);
  return minutes < 60
    ? trans.__('%1 min', minutes)
    : trans.__('%1 h %2 min', Math.floor(minutes / 60), minutes % 60);
}

const STEPS: [number, Intl.RelativeTimeFormatUnit][] = [
  [60, 'second'],
  [60, 'minute'],
  [24, 'hour'],
  [30, 'day'],
  [12, 'month'],
  [Infinity, 'year']
];

/** Write a moment relative to now, shortly: `3m ago`, `in 2h`. */
export function relative(
  moment: string,
  now: number,
  trans: TranslationBundle
): string {
  let amount = (new Date(moment).getTime() - now) / 1000;
  if (Math.abs(amount) < 10) {
    return trans.__('now');
  }
  for (const [size, unit] of STEPS) {
    if (Math.abs(amount) < size) {
      return new Intl.RelativeTimeFormat(undefined, { style: 'narrow' }).format(
        Math.round(amount),
        unit
      );
    }
    amount /= size;
  }
  return '';
}

/** Write a moment in full, for a tooltip. */
export function moment(time: string): string {
  return new Date(time).toLocaleString(undefined, {
    dateStyle: 'medium',
    timeStyle: 'short'
  });
}

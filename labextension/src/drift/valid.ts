import type { ColumnDrift, DriftReport, Histogram } from '../types.gen';

/** More columns, or bins of one, would hold up the page. */
const MOST_COLUMNS = 20_000;
const MOST_BINS = 2_000;

type Fields = Record<string, unknown>;

/**
 * Whether `data` is a drift report as this version writes it.
 *
 * It stands in a notebook's output, and anybody may have written the notebook. React shows it as text, but throws for
 * a value of another type.
 */
export function isReport(data: unknown): data is DriftReport {
  return (
    isObject(data) &&
    has(data, isText, 'reference', 'current', 'service', 'verdict', 'time') &&
    !Number.isNaN(Date.parse(data.time as string)) &&
    has(data, isNumber, 'drifted', 'evaluated', 'threshold') &&
    has(data, isNumber, 'reference_rows', 'current_rows') &&
    isList(data.warnings, isText, MOST_COLUMNS) &&
    isList(data.columns, isColumn, MOST_COLUMNS)
  );
}

function isColumn(data: unknown): data is ColumnDrift {
  return (
    isObject(data) &&
    has(data, isText, 'column', 'status', 'method', 'reason') &&
    has(
      data,
      value => value === null || isNumber(value),
      'score',
      'threshold'
    ) &&
    (data.histogram === null || isHistogram(data.histogram))
  );
}

function isHistogram(data: unknown): data is Histogram {
  return (
    isObject(data) &&
    isList(data.labels, isText, MOST_BINS) &&
    isList(data.reference, isNumber, MOST_BINS) &&
    isList(data.current, isNumber, MOST_BINS)
  );
}

function has(
  data: Fields,
  is: (value: unknown) => boolean,
  ...names: string[]
): boolean {
  return names.every(name => is(data[name]));
}

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isList(
  value: unknown,
  is: (item: unknown) => boolean,
  most: number
): boolean {
  return Array.isArray(value) && value.length <= most && value.every(is);
}

function isText(value: unknown): boolean {
  return typeof value === 'string';
}

function isNumber(value: unknown): boolean {
  return typeof value === 'number';
}

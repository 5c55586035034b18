import * as React from 'react';

import { percent } from '../format';
import { useTrans } from '../translation';
import type { Histogram } from '../types.gen';

/**
 * Reference against current in the same bins, drawn to `width` × `height` pixels.
 *
 * The reference is filled; the current data is a line over it for numbers and a second bar for
 * categories, so that the two differ in shape and not in colour alone.
 */
export function HistogramView(props: {
  histogram: Histogram;
  label: string;
  width: number;
  height: number;
}): JSX.Element {
  const { histogram, label, width, height } = props;
  const { reference, current, labels, numeric } = histogram;
  const highest = Math.max(...reference, ...current, 1e-9);
  const step = width / Math.max(labels.length, 1);
  const gap = !numeric && step > 6 ? 1 : 0;
  const rise = (share: number) => (share / highest) * (height - 2);
  const bar = (share: number, left: number, wide: number, name: string) => (
    <rect
      key={`${name}${left}`}
      className={`jp-Mlops-${name}`}
      x={left}
      y={height - rise(share)}
      width={Math.max(wide - gap, 0.5)}
      height={rise(share)}
    />
  );
  const line = current
    .map((share, at) => {
      const y = (height - rise(share)).toFixed(1);
      return `${(at * step).toFixed(1)},${y} ${((at + 1) * step).toFixed(1)},${y}`;
    })
    .join(' ');
  return (
    <svg
      className="jp-Mlops-histogram"
      width={width}
      height={height}
      viewBox={`0 0 ${width} ${height}`}
      role="img"
      aria-label={label}
    >
      {reference.map((share, at) =>
        bar(share, at * step, numeric ? step : step / 2, 'reference')
      )}
      {numeric ? (
        <polyline
          className="jp-Mlops-currentLine"
          points={`0,${height} ${line} ${width},${height}`}
        />
      ) : (
        current.map((share, at) =>
          bar(share, (at + 0.5) * step, step / 2, 'current')
        )
      )}
    </svg>
  );
}

/** The same histogram as a table, bin by bin, for exact reading. */
export function HistogramTable(props: { histogram: Histogram }): JSX.Element {
  const { labels, reference, current } = props.histogram;
  const trans = useTrans();
  return (
    <table className="jp-Mlops-table">
      <thead>
        <tr>
          <th scope="col">{trans.__('bin')}</th>
          <th scope="col">{trans.__('reference')}</th>
          <th scope="col">{trans.__('current')}</th>
        </tr>
      </thead>
      <tbody>
        {labels.map((label, at) => (
          <tr key={`${at} ${label}`}>
            <th scope="row">{label}</th>
            <td>{percent(reference[at] ?? 0)}</td>
            <td>{percent(current[at] ?? 0)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

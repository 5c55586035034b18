import * as React from 'react';

import { moment, number, percent } from '../format';
import { Badge, StatusDot } from '../parts';
import type { ColumnDrift, DriftReport } from '../types.gen';
import { HistogramTable, HistogramView } from './histogram';

type SortKey = 'column' | 'status' | 'score';
interface ISort {
  key: SortKey;
  down: boolean;
}

const STATUS_ORDER: ColumnDrift['status'][] = [
  'drift',
  'not evaluated',
  'no drift'
];

/** A drift report: the verdict, then every column with its score and its two distributions. */
export function ReportView(props: { report: DriftReport }): JSX.Element {
  const { report } = props;
  const [sort, setSort] = React.useState<ISort>({ key: 'status', down: false });
  const [opened, setOpened] = React.useState<string | null>(null);
  const columns = React.useMemo(
    () => sorted(report.columns, sort),
    [report, sort]
  );
  return (
    <section className="jp-Mlops-report" aria-label="Drift report">
      <Summary report={report} />
      <div
        className="jp-Mlops-reportTable"
        tabIndex={0}
        role="group"
        aria-label="Columns"
      >
        <table className="jp-Mlops-table">
          <thead>
            <tr>
              <Heading
                title="column"
                of="column"
                sort={sort}
                onSort={setSort}
              />
              <Heading
                title="status"
                of="status"
                sort={sort}
                onSort={setSort}
              />
              <Heading title="score" of="score" sort={sort} onSort={setSort} />
              <th scope="col">threshold</th>
              <th scope="col">method</th>
              <th scope="col">
                <span className="jp-Mlops-reference">reference</span>{' '}
                <span className="jp-Mlops-current">current</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {columns.map(column => (
              <ColumnRows
                key={column.column}
                column={column}
                open={opened === column.column}
                onToggle={() =>
                  setOpened(opened === column.column ? null : column.column)
                }
              />
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function Summary(props: { report: DriftReport }): JSX.Element {
  const { report } = props;
  const share =
    report.share === null ? '' : ` (${percent(report.share)} of the columns)`;
  return (
    <header className="jp-Mlops-reportHeader">
      <div className="jp-Mlops-verdict">
        <Badge status={report.verdict} />
        <b>{report.service || report.current}</b>
        <span>
          {report.drifted} of {report.evaluated} evaluated columns drifted
          {share}; drift from {percent(report.threshold)}
        </span>
      </div>
      <div className="jp-Mlops-muted">
        reference {report.reference} ({report.reference_rows} rows) · current{' '}
        {report.current} ({report.current_rows} rows) · {moment(report.time)}
      </div>
      {report.warnings.map(warning => (
        <div className="jp-Mlops-warning" key={warning}>
          {warning}
        </div>
      ))}
    </header>
  );
}

function Heading(props: {
  title: string;
  of: SortKey;
  sort: ISort;
  onSort: (sort: ISort) => void;
}): JSX.Element {
  const { title, of, sort, onSort } = props;
  const active = sort.key === of;
  return (
    <th
      scope="col"
      aria-sort={!active ? 'none' : sort.down ? 'descending' : 'ascending'}
    >
      <button
        type="button"
        className="jp-Mlops-sort"
        onClick={() => onSort({ key: of, down: active && !sort.down })}
      >
        {title}
        <span aria-hidden="true">{!active ? '' : sort.down ? ' ▾' : ' ▴'}</span>
      </button>
    </th>
  );
}

function ColumnRows(props: {
  column: ColumnDrift;
  open: boolean;
  onToggle: () => void;
}): JSX.Element {
  const { column, open, onToggle } = props;
  const { histogram } = column;
  return (
    <>
      <tr className="jp-Mlops-column" onClick={onToggle}>
        <th scope="row">
          <button
            type="button"
            className="jp-Mlops-sort"
            aria-expanded={open}
            onClick={event => {
              event.stopPropagation();
              onToggle();
            }}
          >
            {column.column}
          </button>
        </th>
        <td className="jp-Mlops-status">
          <StatusDot status={column.status} /> {column.status}
        </td>
        <td className="jp-Mlops-number">{number(column.score)}</td>
        <td className="jp-Mlops-number">{number(column.threshold)}</td>
        <td>{column.method}</td>
        <td>
          {histogram && (
            <HistogramView
              histogram={histogram}
              label={`${column.column}: reference against current`}
              width={120}
              height={26}
            />
          )}
        </td>
      </tr>
      {open && (
        <tr className="jp-Mlops-columnDetails">
          <td colSpan={6}>
            {column.reason && <p>{column.reason}</p>}
            {histogram ? (
              <div className="jp-Mlops-columns">
                <HistogramView
                  histogram={histogram}
                  label={`${column.column}: reference against current, larger`}
                  width={360}
                  height={140}
                />
                <div
                  className="jp-Mlops-bins"
                  tabIndex={0}
                  role="group"
                  aria-label={`${column.column}: bins`}
                >
                  <HistogramTable histogram={histogram} />
                </div>
              </div>
            ) : (
              !column.reason && <p>No distribution was kept.</p>
            )}
          </td>
        </tr>
      )}
    </>
  );
}

function sorted(columns: ColumnDrift[], sort: ISort): ColumnDrift[] {
  const rank = (column: ColumnDrift): number | string =>
    sort.key === 'column'
      ? column.column
      : sort.key === 'status'
        ? STATUS_ORDER.indexOf(column.status)
        : (column.score ?? Infinity);
  const sign = sort.down ? -1 : 1;
  return [...columns].sort((a, b) => {
    const [left, right] = [rank(a), rank(b)];
    return sign * (left < right ? -1 : left > right ? 1 : 0);
  });
}

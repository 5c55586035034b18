import * as React from 'react';

import { moment, number, percent } from '../format';
import { Badge, StatusDot } from '../parts';
import { useTrans } from '../translation';
import type { ColumnDrift, DriftReport } from '../types.gen';
import { word } from '../words';
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
  const trans = useTrans();
  const [sort, setSort] = React.useState<ISort>({ key: 'status', down: false });
  const [opened, setOpened] = React.useState<string | null>(null);
  const columns = React.useMemo(
    () => sorted(report.columns, sort),
    [report, sort]
  );
  return (
    <section className="jp-Mlops-report" aria-label={trans.__('Drift report')}>
      <Summary report={report} />
      <div
        className="jp-Mlops-reportTable"
        tabIndex={0}
        role="group"
        aria-label={trans.__('Columns')}
      >
        <table className="jp-Mlops-table">
          <thead>
            <tr>
              <Heading
                title={trans.__('column')}
                of="column"
                sort={sort}
                onSort={setSort}
              />
              <Heading
                title={trans.__('status')}
                of="status"
                sort={sort}
                onSort={setSort}
              />
              <Heading
                title={trans.__('score')}
                of="score"
                sort={sort}
                onSort={setSort}
              />
              <th scope="col">{trans.__('threshold')}</th>
              <th scope="col">{trans.__('method')}</th>
              <th scope="col">
                <span className="jp-Mlops-reference">
                  {trans.__('reference')}
                </span>{' '}
                <span className="jp-Mlops-current">{trans.__('current')}</span>
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
  const trans = useTrans();
  const rows = (count: number) => trans._n('%1 row', '%1 rows', count);
  return (
    <header className="jp-Mlops-reportHeader">
      <div className="jp-Mlops-verdict">
        <Badge status={report.verdict} />
        <b>{report.service || report.current}</b>
        <span>
          {trans.__(
            '%1 of %2 evaluated columns drifted · alarm at %3 of columns',
            report.drifted,
            report.evaluated,
            percent(report.threshold)
          )}
        </span>
      </div>
      <div className="jp-Mlops-muted">
        {[
          trans.__(
            'reference %1 (%2)',
            report.reference,
            rows(report.reference_rows)
          ),
          trans.__(
            'current %1 (%2)',
            report.current,
            rows(report.current_rows)
          ),
          moment(report.time)
        ].join(' · ')}
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
  const trans = useTrans();
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
          <StatusDot status={column.status} /> {word(trans, column.status)}
        </td>
        <td className="jp-Mlops-number">{number(column.score)}</td>
        <td className="jp-Mlops-number">{number(column.threshold)}</td>
        <td>{column.method}</td>
        <td>
          {histogram && (
            <HistogramView
              histogram={histogram}
              label={trans.__('%1: reference against current', column.column)}
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
                  label={trans.__(
                    '%1: reference against current, larger',
                    column.column
                  )}
                  width={360}
                  height={140}
                />
                <div
                  className="jp-Mlops-bins"
                  tabIndex={0}
                  role="group"
                  aria-label={trans.__('%1: bins', column.column)}
                >
                  <HistogramTable histogram={histogram} />
                </div>
              </div>
            ) : (
              !column.reason && <p>{trans.__('No distribution was kept.')}</p>
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

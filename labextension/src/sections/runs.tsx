import * as React from 'react';

import { Command, Pairs, RelativeTime, Row } from '../parts';
import type { Run } from '../types.gen';
import { word } from '../words';
import { ISection, Section } from './section';

/** The newest runs; what a sweep or a job started is folded under it. */
export const runsSection: ISection<Run> = {
  noun: 'run',
  id: 'runs',
  label: trans => trans.__('Runs'),
  fetch: async (api, folder, limit) => {
    const runs = await api.list<Run>('runs', folder, { limit: `${limit}` });
    // Drift checks are runs too, but they have a section of their own.
    return runs.filter(run => run.kind !== 'drift');
  },
  create: options => new RunsSection(options)
};

class RunsSection extends Section<Run> {
  protected row(run: Run): JSX.Element {
    return (
      <Row
        key={run.run_id}
        status={run.status}
        title={run.name}
        tooltip={`${run.name} · ${run.run_id.slice(0, 8)} · ${word(this.trans, run.status)}`}
        side={<RelativeTime time={run.start_time} />}
        details={
          run.error ? (
            <span className="jp-Mlops-error">{run.error.split('\n')[0]}</span>
          ) : (
            Object.keys(run.metrics).length > 0 && (
              <Pairs values={run.metrics} />
            )
          )
        }
        onOpen={() => this.open.page('run', run.run_id)}
      />
    );
  }

  protected rows(runs: ReadonlyArray<Run>): React.ReactNode {
    const shown = new Set(runs.map(run => run.run_id));
    return runs
      .filter(run => !shown.has(run.parent))
      .map(run => {
        const parts = runs.filter(part => part.parent === run.run_id);
        return parts.length === 0 ? (
          this.row(run)
        ) : (
          <React.Fragment key={run.run_id}>
            {this.row(run)}
            <Folded
              label={this.trans._n(
                '%1 run inside',
                '%1 runs inside',
                parts.length
              )}
            >
              {parts.map(part => this.row(part))}
            </Folded>
          </React.Fragment>
        );
      });
  }

  protected empty(): JSX.Element {
    return (
      <>
        <p>{this.trans.__('No runs yet. Put this on top of a cell:')}</p>
        <Command line="%%mlops run NAME" />
      </>
    );
  }
}

function Folded(props: {
  label: string;
  children: React.ReactNode;
}): JSX.Element {
  const [open, setOpen] = React.useState(false);
  return (
    <li className="jp-Mlops-folded">
      <button
        type="button"
        className="jp-Mlops-row jp-Mlops-fold"
        aria-expanded={open}
        onClick={() => setOpen(!open)}
      >
        {props.label}
      </button>
      {open && <ul className="jp-Mlops-list">{props.children}</ul>}
    </li>
  );
}

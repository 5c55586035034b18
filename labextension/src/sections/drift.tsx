import * as React from 'react';

import { Badge, Command, RelativeTime, Row } from '../parts';
import type { DriftCheck } from '../types.gen';
import { ISection, Section } from './section';

/** The earlier drift checks with their verdicts. */
export const driftSection: ISection<DriftCheck> = {
  noun: 'drift',
  id: 'drift',
  label: trans => trans.__('Drift'),
  fetch: (api, folder) => api.list('drift', folder),
  create: options => new DriftSection(options)
};

class DriftSection extends Section<DriftCheck> {
  protected row(check: DriftCheck): JSX.Element {
    return (
      <Row
        key={check.run_id}
        status={check.verdict}
        title={check.service || check.current}
        tooltip={`${check.reference} → ${check.current}`}
        side={<RelativeTime time={check.time} />}
        details={
          <>
            <Badge status={check.verdict} />
            <span className="jp-Mlops-pair">
              {this.trans.__(
                '%1 of %2 columns',
                check.drifted,
                check.evaluated
              )}
            </span>
            <span className="jp-Mlops-pair">
              {this.trans._n('%1 row', '%1 rows', check.current_rows)}
            </span>
          </>
        }
        onOpen={() => this.open.page('drift', check.run_id)}
      />
    );
  }

  protected empty(): JSX.Element {
    return (
      <>
        <p>
          {this.trans.__(
            'No drift checks yet. Compare what a service sees with its training data:'
          )}
        </p>
        <Command line="%mlops drift check SERVICE" />
      </>
    );
  }
}

import * as React from 'react';

import { ReportView } from '../drift/report';
import type { DriftReport } from '../types.gen';
import { IPage, Page } from './page';

/** One drift check in a tab, drawn as in a notebook's output. */
export const driftPage: IPage<DriftReport> = {
  noun: 'drift',
  label: trans => trans.__('Open Drift Check'),
  fetch: (api, folder, run) => api.drift(folder, run),
  create: (model, trans) => new DriftPage(model, trans)
};

class DriftPage extends Page<DriftReport> {
  protected name(report: DriftReport): string {
    return this.trans.__('Drift: %1', report.service || report.current);
  }

  protected page(report: DriftReport): JSX.Element {
    return <ReportView report={report} />;
  }
}

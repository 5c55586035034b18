import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import { nullTranslator, TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import * as React from 'react';

import { ReportView } from './drift/report';
import { isReport } from './drift/valid';
import { DOMAIN, Translation } from './translation';

/** The MIME type of a drift report: `DriftReport` as JSON. */
export const DRIFT_MIME = 'application/vnd.jupyter-mlops.drift+json';

/** A drift report in a notebook's output. It needs the bundle only: no kernel, no trust. */
class DriftOutput extends ReactWidget implements IRenderMime.IRenderer {
  constructor(private readonly trans: TranslationBundle) {
    super();
    this.addClass('jp-Mlops-output');
  }

  async renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    this.data = model.data[DRIFT_MIME];
    this.update();
    await this.renderPromise;
  }

  protected render(): JSX.Element {
    return (
      <Translation.Provider value={this.trans}>
        {isReport(this.data) ? (
          <ReportView report={this.data} />
        ) : (
          <p>
            {this.trans.__(
              'This drift report was written by another version of jupyter_mlops; run the cell again to see it.'
            )}
          </p>
        )}
      </Translation.Provider>
    );
  }

  private data: unknown;
}

const extension: IRenderMime.IExtension = {
  id: 'jupyter-mlops:drift-output',
  description: 'Draws the drift reports in a notebook’s outputs.',
  rendererFactory: {
    safe: true,
    mimeTypes: [DRIFT_MIME],
    defaultRank: 10,
    createRenderer: options =>
      new DriftOutput((options.translator ?? nullTranslator).load(DOMAIN))
  },
  rank: 10,
  dataType: 'json'
};

export default extension;

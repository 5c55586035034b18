import * as React from 'react';

import { bytes } from '../format';
import { Command, RelativeTime, Row } from '../parts';
import type { DataVersion } from '../types.gen';
import { word } from '../words';
import { ISection, Section } from './section';

/** The versioned files, and whether each still is what its version says. */
export const dataSection: ISection<DataVersion> = {
  noun: 'data',
  id: 'data',
  label: trans => trans.__('Data'),
  fetch: (api, folder) => api.list('data', folder),
  create: options => new DataSection(options)
};

class DataSection extends Section<DataVersion> {
  protected row(item: DataVersion): JSX.Element {
    return (
      <Row
        key={item.path}
        status={item.status}
        title={item.path}
        tooltip={`${item.path} · ${item.detail || item.version}`}
        side={item.modified && <RelativeTime time={item.modified} />}
        details={
          <>
            <span className="jp-Mlops-pair jp-Mlops-mono">
              {item.version.slice(0, 8)}
            </span>
            <span className="jp-Mlops-pair">
              {bytes(item.size, this.trans)}
            </span>
            {item.files > 1 && (
              <span className="jp-Mlops-pair">
                {this.trans._n('%1 file', '%1 files', item.files)}
              </span>
            )}
            {item.status !== 'ok' && (
              <span className="jp-Mlops-pair">
                {word(this.trans, item.status)}
              </span>
            )}
          </>
        }
        onOpen={() => this.open.file(item.path)}
      />
    );
  }

  protected empty(): JSX.Element {
    return (
      <>
        <p>{this.trans.__('No versioned data yet. Type:')}</p>
        <Command line="%mlops data add PATH" />
      </>
    );
  }
}

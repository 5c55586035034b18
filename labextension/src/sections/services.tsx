import { Notification } from '@jupyterlab/apputils';
import * as React from 'react';

import { failureOf, MlopsApi } from '../api';
import { Command, RelativeTime, Row } from '../parts';
import { useTrans } from '../translation';
import type { Service } from '../types.gen';
import { word } from '../words';
import { ISection, Section } from './section';

/** The packaged models, and where those that are started answer. */
export const servicesSection: ISection<Service> = {
  noun: 'service',
  id: 'services',
  label: trans => trans.__('Services'),
  fetch: (api, folder) => api.list('services', folder),
  create: options => new ServicesSection(options)
};

class ServicesSection extends Section<Service> {
  protected row(service: Service): JSX.Element {
    return (
      <Row
        key={service.tag || service.name}
        status={service.status}
        title={service.name}
        tooltip={`${service.tag} · ${word(this.trans, service.status)}`}
        side={<RelativeTime time={service.created} />}
        details={
          <>
            <span className="jp-Mlops-pair">
              {word(this.trans, service.status)}
            </span>
            <span className="jp-Mlops-pair">{service.flavor}</span>
            <span className="jp-Mlops-pair">
              {this.trans.__('from %1', service.run_name)}
            </span>
            {service.requests > 0 && (
              <span className="jp-Mlops-pair">
                {this.trans._n('%1 request', '%1 requests', service.requests)}
              </span>
            )}
          </>
        }
        extra={
          <span className="jp-Mlops-extra">
            <ActionButton
              service={service}
              onAct={action => this.act(service.name, action)}
            />
            {service.url && (
              <a
                className="jp-Mlops-link"
                href={service.url}
                target="_blank"
                rel="noopener noreferrer"
              >
                {service.url.replace(/^https?:\/\//, '')}
              </a>
            )}
          </span>
        }
        onOpen={() => this.open.page('run', service.run_id)}
      />
    );
  }

  private async act(name: string, action: Action): Promise<void> {
    const { api, project } = this.panel;
    await api
      .act(project?.path ?? '', name, action)
      .catch((reason: unknown) =>
        Notification.error(failureOf(reason).message)
      );
    await this.panel.refreshList('service');
  }

  protected empty(): JSX.Element {
    return (
      <>
        <p>{this.trans.__('No services yet. Package the model of a run:')}</p>
        <Command line="%mlops service build RUN --name NAME" />
      </>
    );
  }
}

type Action = Parameters<MlopsApi['act']>[2];

/** Starts a service that is down and stops one that is up; rests while that takes its time. */
function ActionButton(props: {
  service: Service;
  onAct: (action: Action) => Promise<void>;
}): JSX.Element {
  const { service, onAct } = props;
  const trans = useTrans();
  const [busy, setBusy] = React.useState(false);
  const up = service.status === 'ready' || service.status === 'starting';
  const action = up ? 'stop' : 'start';
  const label = up ? trans.__('stop') : trans.__('start');
  return (
    <button
      type="button"
      className="jp-Mlops-action"
      aria-label={`${label} ${service.name}`}
      disabled={busy}
      onClick={() => {
        setBusy(true);
        void onAct(action).finally(() => setBusy(false));
      }}
    >
      {label}
      {busy && ' …'}
    </button>
  );
}

import * as React from 'react';

import { Command, RelativeTime, Row } from '../parts';
import type { Service } from '../types.gen';
import { IOpeners, Section } from './section';

/** The packaged models, and where those that are started answer. */
export class ServicesSection extends Section<Service> {
  protected row(service: Service): JSX.Element {
    return (
      <Row
        key={service.tag || service.name}
        status={service.status}
        title={service.name}
        tooltip={`${service.tag} · ${service.status}`}
        side={<RelativeTime time={service.created} />}
        details={
          <>
            <span className="jp-Mlops-pair">{service.status}</span>
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
              labels={{
                start: this.trans.__('start'),
                stop: this.trans.__('stop')
              }}
              onAct={(name, action) => this.open.service(name, action)}
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
        onOpen={() => this.open.run(service.run_id)}
      />
    );
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

/** Starts a service that is down and stops one that is up; rests while that takes its time. */
function ActionButton(props: {
  service: Service;
  labels: { start: string; stop: string };
  onAct: IOpeners['service'];
}): JSX.Element {
  const { service, labels, onAct } = props;
  const [busy, setBusy] = React.useState(false);
  const up = service.status === 'ready' || service.status === 'starting';
  const action = up ? 'stop' : 'start';
  return (
    <button
      type="button"
      className="jp-Mlops-action"
      aria-label={`${labels[action]} ${service.name}`}
      disabled={busy}
      onClick={() => {
        setBusy(true);
        void onAct(service.name, action).finally(() => setBusy(false));
      }}
    >
      {labels[action]}
      {busy && ' …'}
    </button>
  );
}

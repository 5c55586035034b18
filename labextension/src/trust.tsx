import * as React from 'react';

import { failureOf } from './api';
import { FailureNote } from './parts';
import { useTrans } from './translation';
import type { Failure, ProjectStatus } from './types.gen';

/** Says that a project is not trusted, what trusting it would start, and does so when asked. */
export function TrustNote(props: {
  project: ProjectStatus;
  trust: () => Promise<void>;
}): JSX.Element {
  const { project } = props;
  const trans = useTrans();
  const [busy, setBusy] = React.useState(false);
  const [failure, setFailure] = React.useState<Failure | null>(null);
  const onClick = () => {
    setBusy(true);
    setFailure(null);
    props
      .trust()
      .catch((reason: unknown) => setFailure(failureOf(reason)))
      .finally(() => setBusy(false));
  };
  return (
    <div className="jp-Mlops-trust" role="group" aria-label={trans.__('Trust')}>
      <p>
        <b>{trans.__('This project is not trusted.')}</b>{' '}
        {trans.__(
          'Its jobs do not run and no server is contacted; the lists come from its files.'
        )}
      </p>
      <p>{trans.__('If you trust it:')}</p>
      <ul>
        {project.schedules && (
          <li>{trans.__('its scheduled jobs run while JupyterLab does')}</li>
        )}
        {project.outside.map(place => (
          <li key={place}>
            {trans.__('it may contact')} <code>{place}</code>
          </li>
        ))}
        <li>{trans.__('its services can start, and its models load')}</li>
      </ul>
      <button
        type="button"
        className="jp-mod-styled jp-mod-warn jp-Mlops-trustButton"
        disabled={busy}
        onClick={onClick}
      >
        {busy ? trans.__('Trusting …') : trans.__('Trust this project')}
      </button>
      {failure && <FailureNote failure={failure} />}
    </div>
  );
}

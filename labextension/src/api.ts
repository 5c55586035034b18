import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';

import type {
  DataVersion,
  DriftCheck,
  DriftReport,
  Failure,
  Job,
  ProjectStatus,
  Run,
  RunDetail,
  Service
} from './types.gen';

/** An answer that is not a success, in the server's own words. */
export class RequestFailed extends Error {
  constructor(
    readonly status: number,
    readonly failure: Failure
  ) {
    super(failure.message);
  }
}

/** The server's routes. Every call names a folder, and the server finds its project. */
export class MlopsApi {
  constructor(private readonly settings: ServerConnection.ISettings) {}

  status(folder: string): Promise<ProjectStatus> {
    return this.ask('status', folder);
  }

  /** Trust the project of a folder: its jobs run and its stores are contacted from now on. */
  trust(folder: string): Promise<ProjectStatus> {
    return this.ask('trust', folder, {}, { method: 'POST' });
  }

  async runs(folder: string, limit: number): Promise<Run[]> {
    const runs = await this.ask<Run[]>('runs', folder, { limit: `${limit}` });
    // Drift checks are runs too, but they have a section of their own.
    return runs.filter(run => run.kind !== 'drift');
  }

  run(folder: string, id: string): Promise<RunDetail> {
    return this.ask(`runs/${encodeURIComponent(id)}`, folder);
  }

  data(folder: string): Promise<DataVersion[]> {
    return this.ask('data', folder);
  }

  jobs(folder: string): Promise<Job[]> {
    return this.ask('jobs', folder);
  }

  services(folder: string): Promise<Service[]> {
    return this.ask('services', folder);
  }

  driftHistory(folder: string): Promise<DriftCheck[]> {
    return this.ask('drift', folder);
  }

  drift(folder: string, run: string): Promise<DriftReport> {
    return this.ask(`drift/${encodeURIComponent(run)}`, folder);
  }

  /** Start or stop a service; answers when it is up or down. */
  act(
    folder: string,
    service: string,
    action: 'start' | 'stop'
  ): Promise<Service> {
    const route = `services/${encodeURIComponent(service)}/${action}`;
    return this.ask(route, folder, {}, { method: 'POST' });
  }

  private async ask<T>(
    route: string,
    folder: string,
    query: { [key: string]: string } = {},
    init: RequestInit = {}
  ): Promise<T> {
    const url =
      URLExt.join(this.settings.baseUrl, 'mlops', 'api', route) +
      URLExt.objectToQueryString({ path: folder, ...query });
    const response = await ServerConnection.makeRequest(
      url,
      init,
      this.settings
    );
    const body: unknown = await response.json().catch(() => null);
    if (!response.ok) {
      throw new RequestFailed(response.status, asFailure(body, response));
    }
    return body as T;
  }
}

/** Say anything that went wrong as the server would have said it. */
export function failureOf(reason: unknown): Failure {
  if (reason instanceof RequestFailed) {
    return reason.failure;
  }
  const message = reason instanceof Error ? reason.message : String(reason);
  return { message, what: message, do: '', error: 'Unreachable' };
}

function asFailure(body: unknown, response: Response): Failure {
  const given = (body ?? {}) as Partial<Failure>;
  const message =
    given.message ??
    `The server answered ${response.status} ${response.statusText}`;
  return {
    message,
    what: given.what ?? message,
    do: given.do ?? '',
    error: given.error ?? `${response.status}`
  };
}

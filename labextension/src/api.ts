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
    return this.get('status', folder);
  }

  runs(folder: string, limit: number): Promise<Run[]> {
    return this.get('runs', folder, { limit: `${limit}` });
  }

  run(folder: string, id: string): Promise<RunDetail> {
    return this.get(`runs/${encodeURIComponent(id)}`, folder);
  }

  data(folder: string): Promise<DataVersion[]> {
    return this.get('data', folder);
  }

  jobs(folder: string): Promise<Job[]> {
    return this.get('jobs', folder);
  }

  services(folder: string): Promise<Service[]> {
    return this.get('services', folder);
  }

  driftHistory(folder: string): Promise<DriftCheck[]> {
    return this.get('drift', folder);
  }

  drift(folder: string, run: string): Promise<DriftReport> {
    return this.get(`drift/${encodeURIComponent(run)}`, folder);
  }

  private async get<T>(
    route: string,
    folder: string,
    query: { [key: string]: string } = {}
  ): Promise<T> {
    const url =
      URLExt.join(this.settings.baseUrl, 'mlops', 'api', route) +
      URLExt.objectToQueryString({ path: folder, ...query });
    const response = await ServerConnection.makeRequest(url, {}, this.settings);
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

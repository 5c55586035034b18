import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';
import type { TranslationBundle } from '@jupyterlab/translation';

import type {
  DriftReport,
  Failure,
  ProjectStatus,
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
  constructor(
    private readonly settings: ServerConnection.ISettings,
    private readonly trans: TranslationBundle
  ) {}

  status(folder: string): Promise<ProjectStatus> {
    return this.ask('status', folder);
  }

  /** Trust the project of a folder: its jobs run and its stores are contacted from now on. */
  trust(folder: string): Promise<ProjectStatus> {
    return this.ask('trust', folder, {}, { method: 'POST' });
  }

  /** A noun's list. */
  list<T>(
    route: string,
    folder: string,
    query: { [key: string]: string } = {}
  ): Promise<T[]> {
    return this.ask(route, folder, query);
  }

  run(folder: string, id: string): Promise<RunDetail> {
    return this.ask(`runs/${encodeURIComponent(id)}`, folder);
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
      throw new RequestFailed(
        response.status,
        asFailure(body, response, this.trans)
      );
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

function asFailure(
  body: unknown,
  response: Response,
  trans: TranslationBundle
): Failure {
  const given = (body ?? {}) as Partial<Failure>;
  const message =
    given.message ??
    trans.__('The server answered %1 %2', response.status, response.statusText);
  return {
    message,
    what: given.what ?? message,
    do: given.do ?? '',
    error: given.error ?? `${response.status}`
  };
}

import { ServerConnection } from '@jupyterlab/services';
import { nullTranslator } from '@jupyterlab/translation';

import { MlopsApi } from '../src/api';
import { PROJECT } from './records';

/** A server that answers from a table of routes, and notes what it was asked. */
export class Server {
  /** The answers by route; an Error is an answer that is not a success. */
  answers: { [route: string]: unknown } = {
    status: PROJECT,
    runs: [],
    data: [],
    jobs: [],
    services: [],
    drift: []
  };

  /** What was asked: method, route and query. */
  readonly asked: string[] = [];

  /** While it is set, answers wait for it. */
  gate: Promise<void> | null = null;

  readonly settings = ServerConnection.makeSettings({
    baseUrl: 'http://localhost/',
    fetch: request => this.answer(request as Request)
  });

  readonly api = new MlopsApi(
    this.settings,
    nullTranslator.load('jupyter_mlops')
  );

  private async answer(request: Request): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    const route = decodeURIComponent(pathname.replace('/mlops/api/', ''));
    const query = ['path', 'limit']
      .filter(name => searchParams.has(name))
      .map(name => `${name}=${searchParams.get(name)}`);
    this.asked.push([request.method, route, ...query].join(' '));
    const answer = this.answers[route];
    await this.gate;
    return answer instanceof Error
      ? new Response(
          JSON.stringify({ message: answer.message, error: answer.name }),
          { status: 400 }
        )
      : new Response(JSON.stringify(answer));
  }
}

/** Wait until something is so. */
export async function until(isSo: () => unknown): Promise<void> {
  const end = Date.now() + 600_000;
  while (!isSo()) {
    if (Date.now() > end) {
      throw new Error(`not in 10 minutes: ${isSo.toString()}`);
    }
    await pause(5);
  }
}

/** Wait some milliseconds. */
export function pause(time: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, time));
}

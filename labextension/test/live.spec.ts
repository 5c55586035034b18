import type { Event } from '@jupyterlab/services';
import { Signal } from '@lumino/signaling';

import { LiveUpdates } from '../src/live';
import { PanelModel } from '../src/model';
import { SECTIONS } from '../src/sections';
import { CHANGE_SCHEMA } from '../src/types.gen';
import { connections, connectionsOf, watchConnections } from './connections';
import { PROJECT } from './records';
import { pause, Server, until } from './server';

watchConnections();

let server: Server;
let model: PanelModel;
let live: LiveUpdates;
let stream: Signal<unknown, Event.Emission>;

beforeEach(async () => {
  server = new Server();
  model = new PanelModel(server.api, SECTIONS);
  stream = new Signal({});
  live = new LiveUpdates(model, { stream } as unknown as Event.IManager);
  await model.follow('1');
  server.asked.length = 0;
});

afterEach(() => {
  live.dispose();
  model.dispose();
});

function tell(change: { [key: string]: string }): void {
  const emission = { project: '1', action: 'added', name: '№ 1', ...change };
  stream.emit({ schema_id: CHANGE_SCHEMA, ...emission });
}

const lists = () => server.asked.filter(asked => !/status/.test(asked));

describe('live updates', () => {
  it('fetch when the panel is shown, each time', async () => {
    model.shown = true;
    await until(() => lists().length === SECTIONS.length);
    model.shown = false;
    model.shown = true;
    await until(() => lists().length === 2 * SECTIONS.length);
  });

  it('make one request of several changes of a noun', async () => {
    model.shown = true;
    await until(() => lists().length === SECTIONS.length);
    server.asked.length = 0;
    tell({ noun: 'data' });
    tell({ noun: 'data' });
    tell({ noun: 'data' });
    await until(() => server.asked.length > 0);
    expect(server.asked).toEqual(['GET data path=1']);
  });

  it('leave out another project, another schema and a noun without a section', () => {
    const heard: string[] = [];
    model.told.connect((_, news) => heard.push(news.noun));
    tell({ noun: 'run', project: '2' });
    tell({ noun: 'run', schema_id: 'another' });
    tell({ noun: 'model' });
    expect(heard).toEqual(['model']);
  });

  it('ask again when a project was made or trusted where none is trusted', async () => {
    tell({ noun: 'project' });
    expect(server.asked).toEqual([]);
    server.answers.status = { ...PROJECT, trusted: false };
    await model.refresh();
    server.asked.length = 0;
    tell({ noun: 'project' });
    await until(() => server.asked.length === 1);
  });

  it('leave no listener when disposed, and fetch no more', async () => {
    expect(connectionsOf(stream)).toBe(1);
    model.shown = true;
    await until(() => lists().length === SECTIONS.length);
    tell({ noun: 'data' });
    live.dispose();
    live.dispose();
    expect(connectionsOf(stream)).toBe(0);
    expect(connectionsOf(model.shownChanged)).toBe(0);
    expect(connections()).toBe(0);
    server.asked.length = 0;
    await pause(200);
    expect(server.asked).toEqual([]);
  });
});

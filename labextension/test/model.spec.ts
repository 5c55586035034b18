import { PanelModel } from '../src/model';
import { SECTIONS } from '../src/sections';
import { ANSWERS, PROJECT, RUN } from './records';
import { Server } from './server';

let server: Server;
let model: PanelModel;

beforeEach(() => {
  server = new Server();
  server.answers = { ...ANSWERS };
  model = new PanelModel(server.api, SECTIONS);
});

afterEach(() => model.dispose());

const runs = () => model.lists.get('run')!;

describe('the model of the panel', () => {
  it('fetches no list while nobody looks', async () => {
    await model.follow('1/2');
    expect(server.asked).toEqual(['GET status path=1/2']);
    expect(model.project).toEqual(PROJECT);
    expect(runs().items).toBeNull();
  });

  it('fetches every list of the folder’s project while somebody looks', async () => {
    model.shown = true;
    model.limit = 7;
    await model.follow('1/2');
    expect(server.asked).toEqual([
      'GET status path=1/2',
      ...SECTIONS.map(({ id }) =>
        id === 'runs' ? 'GET runs path=1 limit=7' : `GET ${id} path=1`
      )
    ]);
    expect(runs().items).toEqual([RUN]);
  });

  it('leaves drift checks out of the runs', async () => {
    server.answers.runs = [RUN, { ...RUN, kind: 'drift' }];
    model.shown = true;
    await model.follow('1');
    expect(runs().items).toEqual([RUN]);
  });

  it('asks nothing when the folder stays the same', async () => {
    await model.follow('1');
    await model.follow('1');
    expect(server.asked).toHaveLength(1);
  });

  it('forgets the lists when another project is shown', async () => {
    model.shown = true;
    await model.follow('1');
    model.shown = false;
    server.answers.status = { ...PROJECT, path: '2' };
    await model.follow('2');
    expect(runs().items).toBeNull();
  });

  it('shows the latest folder’s project although an earlier one answers last', async () => {
    let answer = () => {};
    server.gate = new Promise(resolve => (answer = resolve));
    const slow = model.follow('1');
    server.gate = null;
    server.answers.status = { ...PROJECT, path: '2' };
    await model.follow('2');
    answer();
    await slow;
    expect(model.project?.path).toBe('2');
  });

  it('keeps why there is no project', async () => {
    server.answers.status = new Error('no project here');
    await model.follow('1');
    expect(model.project).toBeNull();
    expect(model.failure?.message).toBe('no project here');
  });

  it('keeps the old items when a list fails, and says why', async () => {
    model.shown = true;
    await model.follow('1');
    server.answers.runs = new Error('the store is away');
    await model.refreshList('run');
    expect(runs().items).toEqual([RUN]);
    expect(runs().failure?.message).toBe('the store is away');
  });

  it('trusts the project that is shown and asks for it again', async () => {
    await model.follow('1/2');
    server.answers.trust = PROJECT;
    await model.trust();
    expect(server.asked.slice(1)).toEqual([
      'POST trust path=1',
      'GET status path=1/2'
    ]);
  });

  it('passes news on, and ignores a noun without a section', async () => {
    const heard: unknown[] = [];
    model.told.connect((_, news) => heard.push(news));
    const news = { noun: 'model', name: '№ 1', action: 'registered' };
    model.tell(news);
    await model.refreshList('model');
    expect(heard).toEqual([news]);
    expect(model.news).toEqual(news);
  });

  it('ignores an answer that comes after it was disposed', async () => {
    model.shown = true;
    await model.follow('1');
    let answer = () => {};
    server.gate = new Promise(resolve => (answer = resolve));
    server.answers.runs = [];
    const late = Promise.all([model.refresh(), model.refreshList('run')]);
    const list = runs();
    model.dispose();
    answer();
    await late;
    expect(list.isDisposed).toBe(true);
    expect(list.items).toEqual([RUN]);
  });
});

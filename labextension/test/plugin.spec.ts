import type { JupyterFrontEnd } from '@jupyterlab/application';
import type { MainAreaWidget } from '@jupyterlab/apputils';
import { CommandRegistry } from '@lumino/commands';
import { DisposableDelegate } from '@lumino/disposable';
import { Signal } from '@lumino/signaling';
import { StackedPanel, Widget } from '@lumino/widgets';

import plugin from '../src/index';
import type { MlopsPanel } from '../src/panel';
import { CHANGE_SCHEMA } from '../src/types.gen';
import { connections, connectionsOf, watchConnections } from './connections';
import { ANSWERS, CHECK, RUN } from './records';
import { pause, Server, until } from './server';

// The plugin uses no more than the names of their services, and they take 10 s to load.
jest.mock('@jupyterlab/application', () => ({}));
jest.mock('@jupyterlab/filebrowser', () => ({}));
jest.mock('@jupyterlab/notebook', () => ({}));

watchConnections();

/** A bare JupyterLab: a side bar, a main area, commands, and what our plugin listens to. */
class Lab {
  readonly server = new Server();
  readonly side = new StackedPanel();
  readonly main = new StackedPanel();
  readonly commands = new CommandRegistry();
  readonly stream = new Signal<object, unknown>({});
  readonly settings = {
    changed: new Signal<object, void>({}),
    get: () => ({ composite: 7 })
  };
  readonly notebooks = {
    currentWidget: null as null | { context: { path: string } },
    currentChanged: new Signal<object, void>({})
  };
  readonly files = {
    model: { path: '1', pathChanged: new Signal<object, void>({}) }
  };
  readonly palette: string[] = [];
  private panel: MlopsPanel | null = null;

  /** Load our plugin. */
  async load(): Promise<MlopsPanel> {
    this.server.answers = { ...ANSWERS };
    Widget.attach(this.side, document.body);
    Widget.attach(this.main, document.body);
    const app = {
      commands: this.commands,
      restored: Promise.resolve(),
      serviceManager: {
        serverSettings: this.server.settings,
        contents: { localPath: (path: string) => path },
        events: { stream: this.stream }
      },
      shell: {
        activateById: () => {},
        add: (widget: Widget, area: string) =>
          (area === 'left' ? this.side : this.main).addWidget(widget)
      }
    } as unknown as JupyterFrontEnd;
    const palette = {
      addItem: ({ command }: { command: string }) => {
        this.palette.push(command);
        return new DisposableDelegate(() =>
          this.palette.splice(this.palette.indexOf(command), 1)
        );
      }
    };
    const registry = { load: () => Promise.resolve(this.settings) };
    void plugin.activate(
      app,
      null,
      null,
      palette,
      null,
      registry,
      this.notebooks,
      this.files
    );
    await until(() => connectionsOf(this.settings.changed) === 1);
    this.panel = this.side.widgets[0] as MlopsPanel;
    await until(() => this.panel?.node.querySelector('svg')); // the refresh button
    await pause(50); // its own listeners
    return this.panel;
  }

  /** Open a run's or a drift check's page. */
  async open(noun: string, run: string): Promise<MainAreaWidget> {
    await this.commands.execute(`mlops:open-${noun}`, { run, folder: '1' });
    return this.main.widgets.find(it => it.id.endsWith(run)) as MainAreaWidget;
  }

  tell(noun: string): void {
    this.stream.emit({
      schema_id: CHANGE_SCHEMA,
      project: '1',
      noun,
      action: 'added',
      name: '№ 1'
    });
  }

  dispose(): void {
    this.panel?.dispose();
    this.side.dispose();
    this.main.dispose();
  }
}

let lab: Lab;
let panel: MlopsPanel;
let before: number;

beforeEach(async () => {
  before = connections();
  lab = new Lab();
  panel = await lab.load();
});

afterEach(() => lab.dispose());

const lists = () => lab.server.asked.filter(asked => !/status/.test(asked));
const status = () =>
  lab.server.asked.filter(asked => /status/.test(asked)).pop();
const rows = () => panel.node.querySelectorAll('.jp-Mlops-row').length;

describe('the panel in JupyterLab', () => {
  it('adds its commands', () => {
    expect(lab.commands.listCommands()).toEqual([
      'mlops:show-panel',
      'mlops:refresh',
      'mlops:open-run',
      'mlops:open-drift'
    ]);
    expect(lab.palette).toEqual(['mlops:show-panel', 'mlops:refresh']);
  });

  it('follows the notebook, and the file browser while there is none', async () => {
    lab.files.model.path = '2';
    lab.files.model.pathChanged.emit();
    await until(() => status() === 'GET status path=2');

    lab.notebooks.currentWidget = { context: { path: '3/4.5' } };
    lab.notebooks.currentChanged.emit();
    await until(() => status() === 'GET status path=3');

    const asked = lab.server.asked.length;
    lab.files.model.path = '6';
    lab.files.model.pathChanged.emit();
    await pause(20);
    expect(lab.server.asked).toHaveLength(asked);
  });

  it('lists as many runs as the settings say', async () => {
    panel.hide();
    panel.show();
    await until(() => rows() === 5);
    expect(lists()).toContain('GET runs path=1 limit=7');
  });

  it('rests when it is closed', async () => {
    panel.hide();
    panel.show();
    await until(() => rows() === 5);
    panel.parent = null;
    lab.server.asked.length = 0;
    lab.tell('data');
    await pause(200);
    expect(lab.server.asked).toEqual([]);
  });

  it('has as many listeners after it was shown and hidden ten times', async () => {
    panel.hide();
    panel.show();
    await until(() => rows() === 5);
    const shown = connections();
    for (let times = 0; times < 10; times++) {
      panel.hide();
      panel.show();
    }
    await until(() => lists().length >= 10);
    expect(connections()).toBe(shown);
  });

  it('leaves no listener, no command and no row in the palette when it is disposed', async () => {
    panel.hide();
    panel.show();
    await until(() => rows() === 5);
    expect(connectionsOf(lab.stream)).toBe(1);
    expect(connectionsOf(lab.files.model.pathChanged)).toBe(1);
    panel.dispose();
    expect(connectionsOf(lab.stream)).toBe(0);
    expect(connectionsOf(lab.settings.changed)).toBe(0);
    expect(connectionsOf(lab.notebooks.currentChanged)).toBe(0);
    expect(connectionsOf(lab.files.model.pathChanged)).toBe(0);
    expect(lab.commands.listCommands()).toEqual([]);
    expect(lab.palette).toEqual([]);
    lab.dispose();
    await until(() => connections() === before);
  });
});

describe('a page', () => {
  it('is opened once for each run, and named after it', async () => {
    const page = await lab.open('run', RUN.run_id);
    expect(page.title.label).toBe('01234567');
    await until(() => page.title.label === RUN.name);
    expect(await lab.open('run', RUN.run_id)).toBe(page);
    expect(lab.main.widgets).toHaveLength(1);
    await until(() => page.node.querySelector('h1')?.textContent === RUN.name);
  });

  it('is fetched again when its noun changes, and only then', async () => {
    await until(() => status());
    await lab.open('drift', CHECK.run_id);
    const asked = () => lists().filter(it => it.includes(CHECK.run_id)).length;
    await until(() => asked() === 1);
    lab.tell('run');
    lab.tell('drift');
    await until(() => asked() === 2);
  });

  it('says why it cannot be fetched', async () => {
    lab.server.answers[`runs/${RUN.run_id}`] = new Error('no such run');
    const page = await lab.open('run', RUN.run_id);
    await until(() => page.node.textContent?.includes('no such run'));
  });

  it('leaves no listener when it is closed, opened and closed ten times', async () => {
    await until(() => status());
    const closed = connections();
    for (let times = 0; times < 10; times++) {
      const run = await lab.open('run', RUN.run_id);
      const drift = await lab.open('drift', CHECK.run_id);
      expect(connections()).toBeGreaterThan(closed);
      run.close();
      drift.close();
      expect(run.content.isDisposed).toBe(true);
    }
    expect(lab.main.widgets).toHaveLength(0);
    expect(connections()).toBe(closed);
  });
});

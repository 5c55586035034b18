import {
  ILayoutRestorer,
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import {
  createToolbarFactory,
  ICommandPalette,
  IToolbarWidgetRegistry,
  Notification,
  setToolbar
} from '@jupyterlab/apputils';
import { PathExt } from '@jupyterlab/coreutils';
import { IDefaultFileBrowser } from '@jupyterlab/filebrowser';
import { INotebookTracker } from '@jupyterlab/notebook';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { CommandToolbarButton } from '@jupyterlab/ui-components';

import { failureOf, MlopsApi } from './api';
import { addCommands, CommandIDs } from './commands';
import { LiveUpdates } from './live';
import { PanelModel } from './model';
import { MlopsPanel } from './panel';

/** The side panel; whatever a stripped-down application lacks, it does without. */
const panelPlugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-mlops:panel',
  description: 'Runs, data, jobs, services and drift of the project, live.',
  autoStart: true,
  optional: [
    ITranslator,
    ILayoutRestorer,
    ICommandPalette,
    IToolbarWidgetRegistry,
    ISettingRegistry,
    INotebookTracker,
    IDefaultFileBrowser
  ],
  activate: (
    app: JupyterFrontEnd,
    translator: ITranslator | null,
    restorer: ILayoutRestorer | null,
    palette: ICommandPalette | null,
    toolbars: IToolbarWidgetRegistry | null,
    settings: ISettingRegistry | null,
    notebooks: INotebookTracker | null,
    files: IDefaultFileBrowser | null
  ) => {
    const trans = (translator ?? nullTranslator).load('jupyter_mlops');
    const model = new PanelModel(
      new MlopsApi(app.serviceManager.serverSettings)
    );
    const inProject = (path: string) =>
      PathExt.join(model.project?.path ?? '', path);
    const openPage = (command: string) => (run: string) =>
      void app.commands.execute(command, {
        run,
        folder: model.project?.path ?? ''
      });
    const panel = new MlopsPanel(
      model,
      {
        run: openPage(CommandIDs.openRun),
        drift: openPage(CommandIDs.openDrift),
        file: path =>
          void app.commands.execute('docmanager:open', {
            path: inProject(path)
          }),
        service: async (name, action) => {
          const folder = model.project?.path ?? '';
          await model.api.act(folder, name, action).catch((reason: unknown) => {
            Notification.error(failureOf(reason).message);
          });
          await model.refreshList('service');
        }
      },
      trans,
      shown => {
        model.shown = shown;
        if (shown) {
          live.start();
        }
      }
    );
    const live = new LiveUpdates(
      model,
      app.serviceManager.events,
      () => panel.isVisible
    );

    addCommands(app, model, panel.id, restorer, trans);
    Object.values(CommandIDs)
      .slice(0, 2)
      .forEach(command => palette?.addItem({ command, category: 'MLOps' }));
    if (toolbars && settings) {
      setToolbar(
        panel,
        createToolbarFactory(
          toolbars,
          settings,
          'MLOps',
          panelPlugin.id,
          translator ?? nullTranslator
        )
      );
    } else {
      panel.toolbar.addItem(
        'refresh',
        new CommandToolbarButton({
          commands: app.commands,
          id: CommandIDs.refresh
        })
      );
    }
    void settings?.load(panelPlugin.id).then(loaded => {
      const read = () => {
        model.limit = loaded.get('runs').composite as number;
        void model.refreshList('run');
      };
      loaded.changed.connect(read);
      read();
    });

    const follow = () => {
      const path = notebooks?.currentWidget?.context.path;
      const local =
        path === undefined ? (files?.model.path ?? '') : PathExt.dirname(path);
      void model.follow(app.serviceManager.contents.localPath(local));
    };
    notebooks?.currentChanged.connect(follow);
    files?.model.pathChanged.connect(() => {
      if (!notebooks?.currentWidget) {
        follow();
      }
    });
    void app.restored.then(follow);

    restorer?.add(panel, panel.id);
    app.shell.add(panel, 'left', { rank: 600, type: 'MLOps' });
  }
};

export default panelPlugin;

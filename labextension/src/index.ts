import {
  ILayoutRestorer,
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import {
  createToolbarFactory,
  ICommandPalette,
  IToolbarWidgetRegistry,
  setToolbar
} from '@jupyterlab/apputils';
import { PathExt } from '@jupyterlab/coreutils';
import { IDefaultFileBrowser } from '@jupyterlab/filebrowser';
import { INotebookTracker } from '@jupyterlab/notebook';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { CommandToolbarButton } from '@jupyterlab/ui-components';
import { DisposableSet } from '@lumino/disposable';

import { MlopsApi } from './api';
import { addCommands, CommandIDs } from './commands';
import { CurrentFolder } from './folder';
import { LiveUpdates } from './live';
import { PanelModel } from './model';
import { MlopsPanel } from './panel';
import { SECTIONS } from './sections';
import { DOMAIN } from './translation';

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
    const used = translator ?? nullTranslator;
    const trans = used.load(DOMAIN);
    const { commands, serviceManager, shell } = app;
    const model = new PanelModel(
      new MlopsApi(serviceManager.serverSettings, trans),
      SECTIONS
    );
    const project = () => model.project?.path ?? '';
    const panel = new MlopsPanel({
      model,
      sections: SECTIONS,
      open: {
        page: (noun, run) =>
          void commands.execute(CommandIDs.openPage(noun), {
            run,
            folder: project()
          }),
        file: path =>
          void commands.execute('docmanager:open', {
            path: PathExt.join(project(), path)
          })
      },
      translator: used
    });

    const folder = new CurrentFolder(
      model,
      serviceManager.contents,
      notebooks,
      files
    );
    void app.restored.then(() => folder.follow());
    const parts = DisposableSet.from([
      folder,
      new LiveUpdates(model, serviceManager.events),
      addCommands(app, model, panel.id, restorer, trans)
    ]);
    for (const command of [CommandIDs.showPanel, CommandIDs.refresh]) {
      if (palette) {
        parts.add(palette.addItem({ command, category: trans.__('MLOps') }));
      }
    }
    panel.disposed.connect(parts.dispose, parts);

    if (toolbars && settings) {
      setToolbar(
        panel,
        createToolbarFactory(toolbars, settings, 'MLOps', panelPlugin.id, used)
      );
    } else {
      panel.toolbar.addItem(
        'refresh',
        new CommandToolbarButton({ commands, id: CommandIDs.refresh })
      );
    }
    void settings?.load(panelPlugin.id).then(loaded => {
      const read = () => {
        model.limit = loaded.get('runs').composite as number;
        void model.refreshList('run');
      };
      if (!panel.isDisposed) {
        loaded.changed.connect(read, panel);
        read();
      }
    });

    restorer?.add(panel, panel.id);
    shell.add(panel, 'left', { rank: 600, type: 'MLOps' });
  }
};

export default panelPlugin;

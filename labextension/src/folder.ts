import { PathExt } from '@jupyterlab/coreutils';
import type { IDefaultFileBrowser } from '@jupyterlab/filebrowser';
import type { INotebookTracker } from '@jupyterlab/notebook';
import type { Contents } from '@jupyterlab/services';
import type { IDisposable } from '@lumino/disposable';
import { Signal } from '@lumino/signaling';

import type { PanelModel } from './model';

/** The folder the user works in: the current notebook's, else the file browser's. A model follows it. */
export class CurrentFolder implements IDisposable {
  constructor(
    private readonly model: PanelModel,
    private readonly contents: Pick<Contents.IManager, 'localPath'>,
    private readonly notebooks: INotebookTracker | null,
    private readonly files: IDefaultFileBrowser | null
  ) {
    notebooks?.currentChanged.connect(this.follow, this);
    files?.model.pathChanged.connect(this.onPathChanged, this);
  }

  isDisposed = false;

  dispose(): void {
    this.isDisposed = true;
    Signal.clearData(this);
  }

  /** Tell the model the folder. */
  follow(): void {
    if (!this.isDisposed) {
      const notebook = this.notebooks?.currentWidget?.context.path;
      const path =
        notebook === undefined
          ? (this.files?.model.path ?? '')
          : PathExt.dirname(notebook);
      void this.model.follow(this.contents.localPath(path));
    }
  }

  private onPathChanged(): void {
    if (!this.notebooks?.currentWidget) {
      this.follow();
    }
  }
}

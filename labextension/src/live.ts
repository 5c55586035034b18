import type { Event } from '@jupyterlab/services';
import type { IDisposable } from '@lumino/disposable';
import { Debouncer, Poll } from '@lumino/polling';
import { Signal } from '@lumino/signaling';

import type { PanelModel } from './model';
import { Change, CHANGE_SCHEMA } from './types.gen';

/** Milliseconds in which several changes of one noun become one request. */
const SETTLE = 150;
/** Milliseconds between two looks when the server tells nothing. */
const INTERVAL = 30_000;

/**
 * Keep a model up to date: the server's events name what changed, and a slow poll makes up
 * for those that got lost. Both rest while nobody looks.
 */
export class LiveUpdates implements IDisposable {
  constructor(
    private readonly model: PanelModel,
    events: Pick<Event.IManager, 'stream'>
  ) {
    this.refreshers = new Map(
      [...model.lists.keys()].map(noun => [
        noun,
        new Debouncer(() => model.refreshList(noun), SETTLE)
      ])
    );
    this.poll = new Poll({
      name: 'jupyter-mlops:panel',
      auto: false,
      factory: () => model.refresh(),
      frequency: { interval: INTERVAL, backoff: true, max: 10 * INTERVAL },
      standby: () => (model.shown ? 'when-hidden' : true)
    });
    events.stream.connect(this.onEvent, this);
    model.shownChanged.connect(this.onShown, this);
  }

  get isDisposed(): boolean {
    return this.poll.isDisposed;
  }

  dispose(): void {
    if (!this.isDisposed) {
      Signal.clearData(this);
      this.refreshers.forEach(refresher => refresher.dispose());
      this.poll.dispose();
    }
  }

  /** Fetch when the panel is shown, and keep looking from then on. */
  private onShown(_: PanelModel, shown: boolean): void {
    if (shown) {
      void (this.started ? this.poll.refresh() : this.poll.start());
      this.started = true;
    }
  }

  private onEvent(_: Event.IManager, emission: Event.Emission): void {
    if (emission.schema_id !== CHANGE_SCHEMA) {
      return;
    }
    const change = emission as unknown as Change;
    if (change.noun === 'project') {
      if (!this.model.project?.trusted) {
        void this.model.refresh();
      }
    } else if (change.project === this.model.project?.path) {
      this.model.tell(change);
      void this.refreshers.get(change.noun)?.invoke();
    }
  }

  private readonly refreshers: ReadonlyMap<string, Debouncer>;
  private readonly poll: Poll;
  private started = false;
}

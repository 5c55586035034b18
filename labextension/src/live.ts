import type { Event } from '@jupyterlab/services';
import { Debouncer, Poll } from '@lumino/polling';

import { Noun, NOUNS, PanelModel } from './model';
import { Change, CHANGE_SCHEMA } from './types.gen';

/** Milliseconds in which several changes of one noun become one request. */
const SETTLE = 150;
/** Milliseconds between two looks when the server tells nothing. */
const INTERVAL = 30_000;

/**
 * Keep a model up to date: the server's events name what changed, and a slow poll makes up
 * for those that got lost. Both rest while nobody looks.
 */
export class LiveUpdates {
  constructor(
    private readonly model: PanelModel,
    events: Event.IManager,
    isShown: () => boolean
  ) {
    for (const noun of NOUNS) {
      this.refreshers.set(
        noun,
        new Debouncer(() => model.refreshList(noun), SETTLE)
      );
    }
    events.stream.connect((_, emission) => {
      if (emission.schema_id === CHANGE_SCHEMA) {
        this.onChange(emission as unknown as Change);
      }
    });
    this.poll = new Poll({
      name: 'jupyter-mlops:panel',
      auto: false,
      factory: () => model.refresh(),
      frequency: { interval: INTERVAL, backoff: true, max: 10 * INTERVAL },
      standby: () => (isShown() ? 'when-hidden' : true)
    });
  }

  /** Fetch now, and keep looking; called when the panel is shown. */
  start(): void {
    if (this.started) {
      void this.poll.refresh();
    } else {
      this.started = true;
      void this.poll.start();
    }
  }

  private onChange(change: Change): void {
    if (change.noun === 'project') {
      if (!this.model.project?.trusted) {
        void this.model.refresh();
      }
      return;
    }
    if (change.project !== this.model.project?.path) {
      return;
    }
    this.model.tell(change);
    void this.refreshers.get(change.noun as Noun)?.invoke();
  }

  private readonly refreshers = new Map<Noun, Debouncer>();
  private readonly poll: Poll;
  private started = false;
}

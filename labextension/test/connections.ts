import { ISignal, Signal, Slot } from '@lumino/signaling';

type AnySlot = Slot<unknown, unknown>;

interface IConnection {
  signal: Signal<unknown, unknown>;
  slot: AnySlot;
  receiver: unknown;
}

const open: IConnection[] = [];

/** Keep a list of all connections of all signals; call it before the first one is made. */
export function watchConnections(): void {
  const { connect, disconnect } = Signal.prototype;
  jest.spyOn(Signal.prototype, 'connect').mockImplementation(function (
    this: Signal<unknown, unknown>,
    slot: AnySlot,
    receiver?: unknown
  ) {
    const made = connect.call(this, slot, receiver);
    if (made) {
      open.push({ signal: this, slot, receiver: receiver || slot });
    }
    return made;
  });
  jest.spyOn(Signal.prototype, 'disconnect').mockImplementation(function (
    this: ISignal<unknown, unknown>,
    slot: AnySlot,
    receiver?: unknown
  ) {
    forget(
      made =>
        made.signal === this &&
        made.slot === slot &&
        made.receiver === (receiver || slot)
    );
    return disconnect.call(this, slot, receiver);
  });
  watch('clearData', made => [made.signal.sender, made.receiver]);
  watch('disconnectAll', made => [made.signal.sender, made.receiver]);
  watch('disconnectSender', made => [made.signal.sender]);
  watch('disconnectReceiver', made => [made.receiver]);
}

/** Return how many connections there are. */
export function connections(): number {
  return open.length;
}

/** Return how many connections one signal has. */
export function connectionsOf(signal: unknown): number {
  return open.filter(made => made.signal === signal).length;
}

function watch(
  name:
    'clearData' | 'disconnectAll' | 'disconnectSender' | 'disconnectReceiver',
  ends: (made: IConnection) => unknown[]
): void {
  const clear = Signal[name];
  jest.spyOn(Signal, name).mockImplementation((object: unknown) => {
    forget(made => ends(made).includes(object));
    clear(object);
  });
}

function forget(gone: (made: IConnection) => boolean): void {
  open.splice(0, open.length, ...open.filter(made => !gone(made)));
}

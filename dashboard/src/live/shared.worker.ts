// The stream of events, once for all tabs of this browser.
import { Engine, type FromListener } from './engine';

const engine = new Engine();

(self as unknown as SharedWorkerGlobalScope).onconnect = (event) => {
  const port = event.ports[0];
  if (!port) return;
  const answer = engine.join((message) => port.postMessage(message));
  port.onmessage = (message: MessageEvent<FromListener>) => answer(message.data);
  port.start();
};

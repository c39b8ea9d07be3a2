import { Browser, start } from './browser.js';
import { describeLifeCycle } from './life-cycle.flow.js';

describeLifeCycle(start, Browser);

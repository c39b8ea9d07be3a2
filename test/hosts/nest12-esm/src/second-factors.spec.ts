import { AppModule } from './app.module.js';
import { describeSecondFactors } from './second-factors.flow.js';

describeSecondFactors(AppModule);

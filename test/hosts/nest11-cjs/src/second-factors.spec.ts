import { AppModule } from './app.module';
import { describeSecondFactors } from './second-factors.flow';

describeSecondFactors(AppModule);

import { AppModule } from './app.module.js';
import { describeSignIn } from './sign-in.flow.js';

describeSignIn(AppModule);

import { AppModule } from './app.module';
import { describeSignIn } from './sign-in.flow';

describeSignIn(AppModule);

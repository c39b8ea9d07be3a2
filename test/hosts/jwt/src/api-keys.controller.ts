import { Controller, Post } from '@nestjs/common';
import { RequireMfa } from 'nestjs-mfa';

@Controller('api-keys')
export class ApiKeysController {
  @Post()
  @RequireMfa({ phishingResistant: true, maxAgeSeconds: 300 })
  create() {
    return { created: true };
  }
}

import { Controller, Get, Post } from '@nestjs/common';
import { RequireMfa } from 'nestjs-mfa';

@RequireMfa()
@Controller('payouts')
export class PayoutsController {
  @Get()
  list() {
    return [];
  }

  @RequireMfa({ maxAgeSeconds: 300 })
  @Post()
  transfer() {
    return {};
  }
}

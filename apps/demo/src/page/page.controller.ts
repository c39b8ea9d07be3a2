import { Controller, Get, Header, Param } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { fileOf, PUBLIC_FOLDER } from './static-files.js';

/** The page at `/`: static files, no build, nothing from elsewhere. */
@ApiExcludeController()
@Controller()
export class PageController {
  @Get()
  @Header('Cache-Control', 'no-cache')
  index() {
    return fileOf(PUBLIC_FOLDER, 'index.html');
  }

  @Get('assets/:name')
  @Header('Cache-Control', 'no-cache')
  asset(@Param('name') name: string) {
    return fileOf(PUBLIC_FOLDER, name);
  }
}

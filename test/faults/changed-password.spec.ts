import { MfaAccountEntity, MfaAdminService } from 'nestjs-mfa';
import { expect, it, vi } from 'vitest';
import { MfaAuditStore } from '../../libs/mfa/src/domain/audit/audit.store.js';
import { MfaError } from '../../libs/mfa/src/domain/mfa-error.js';
import { AuditTrail } from '../../libs/mfa/src/events/audit-trail.js';
import { Client } from '../support/client.js';
import { FEW_CODES, startHostApp } from '../support/host-app.js';
import { BY_TEST } from '../support/reset.js';

it('S121 a changed password ends nothing where its second event cannot be written', async () => {
  const host = await startHostApp({ options: { ...FEW_CODES, audit: {} } });
  try {
    await new Client(host, 'ann').enroll();
    await host.app.get(AuditTrail, { strict: false }).flush();
    const accounts = () => host.dataSource.getRepository(MfaAccountEntity).find();
    const [before, told] = [await accounts(), host.state.events.length];
    const store = host.app.get(MfaAuditStore, { strict: false });
    const add = store.add.bind(store);
    vi.spyOn(store, 'add').mockImplementation(async (row, patience) => {
      if (row.event.includes('mfa.unlocked')) throw new MfaError('MFA_BUSY');
      return add(row, patience);
    });
    const changed = host.app.get(MfaAdminService, { strict: false }).passwordChanged('ann', BY_TEST);
    await expect(changed).rejects.toMatchObject({ code: 'MFA_BUSY' });
    expect(await accounts()).toEqual(before);
    expect(host.state.events).toHaveLength(told);
  } finally {
    await host.close();
  }
});

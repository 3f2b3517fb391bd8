#include "base/budget.h"

#include "base/base.h"

#define SAVED_NS (NS_PER_S / 5)

uint64_t budget_later_ns(const struct budget *budget, uint64_t now_ns)
{
	if (!budget || budget->per_s == 0 || budget->paid_ns <= now_ns + SAVED_NS)
		return 0;
	return budget->paid_ns - SAVED_NS;
}

void budget_spend(struct budget *budget, uint64_t amount, uint64_t now_ns)
{
	if (!budget || budget->per_s == 0)
		return;
	ASSERT(amount <= UINT64_C(1) << 32);
	if (budget->paid_ns < now_ns)
		budget->paid_ns = now_ns;
	budget->paid_ns += amount * NS_PER_S / budget->per_s;
}

uint64_t budget_take(struct budget *budget, uint64_t amount, uint64_t now_ns)
{
	uint64_t later_ns = budget_later_ns(budget, now_ns);

	if (later_ns == 0)
		budget_spend(budget, amount, now_ns);
	return later_ns;
}
